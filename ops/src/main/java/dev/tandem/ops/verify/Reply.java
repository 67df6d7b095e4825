package dev.tandem.ops.verify;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.MissingNode;

/**
 * What came back for one request.
 *
 * @param status HTTP status; 0 when there was no answer
 * @param headers first value of each, names in lower case
 * @param lines of the body, each with the time from sending to its arrival
 * @param failure why there is no whole answer; empty when it came to its end, whatever its status
 */
record Reply(int status, Map<String, String> headers, List<Line> lines, Optional<String> failure) {
    private static final int MOST_SHOWN = 300;

    /** A line of the body. */
    record Line(long sinceSentNs, String text) {}

    Reply {
        headers = Map.copyOf(headers);
        lines = List.copyOf(lines);
    }

    /** No answer, or none to its end. */
    static Reply failed(String failure, List<Line> lines) {
        return new Reply(0, Map.of(), lines, Optional.of(failure));
    }

    boolean isOk() {
        return status == 200 && failure.isEmpty();
    }

    /** Whether the server has no such page. */
    boolean isUnknownPage() {
        return status == 404 || status == 405 || status == 501;
    }

    Optional<String> header(String name) {
        return Optional.ofNullable(headers.get(name));
    }

    String text() {
        return lines.stream().map(Line::text).collect(Collectors.joining("\n"));
    }

    /** The body; missing when it is not valid JSON. */
    JsonNode json() {
        try {
            return JsonMapper.shared().readTree(text());
        } catch (JacksonException e) {
            return MissingNode.getInstance(); // another program's page
        }
    }

    /** Why the answer cannot be used: the failure, or the status and the message of the body. */
    String complaint() {
        if (failure.isPresent()) {
            return failure.get();
        }
        JsonNode body = json();
        String message =
                body.path("error").path("message").asString(body.path("message").asString(text()));
        String shown = message.length() > MOST_SHOWN ? message.substring(0, MOST_SHOWN) + "…" : message;
        return "status " + status + (shown.isBlank() ? "" : ": " + shown.strip());
    }
}
