package dev.tandem.bench.soak;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Asks one server and judges its answers. Thread-safe. */
final class Asker implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(90);

    /**
     * What came of a request.
     *
     * @param tokens that arrived
     * @param detail for the report: an error's text, or what is wrong
     */
    record Answer(Outcome outcome, List<Integer> tokens, String detail) {}

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final URI completions;

    Asker(String hostAndPort) {
        this.completions = URI.create("http://" + hostAndPort + "/v1/completions");
    }

    /** Tokens of a quiet server. @throws IllegalStateException when it does not answer well */
    List<Integer> tokens(Question question) throws InterruptedException {
        try {
            HttpResponse<String> reply = http.send(request(question, false), HttpResponse.BodyHandlers.ofString());
            if (reply.statusCode() == 200) {
                return ids(JsonMapper.shared().readTree(reply.body()));
            }
            throw new IllegalStateException(completions + " answers " + reply.statusCode() + ": " + reply.body());
        } catch (IOException e) {
            throw new IllegalStateException(completions + " does not answer", e);
        }
    }

    /** Asks and compares with the tokens of the quiet server. */
    Answer ask(Question question, List<Integer> expected, boolean isStream) throws InterruptedException {
        var tokens = new ArrayList<Integer>();
        try {
            HttpResponse<InputStream> reply =
                    http.send(request(question, isStream), HttpResponse.BodyHandlers.ofInputStream());
            try (InputStream body = reply.body()) {
                if (reply.statusCode() != 200) {
                    return failed(reply.statusCode(), new String(body.readAllBytes(), StandardCharsets.UTF_8));
                }
                return isStream ? streamed(body, expected, tokens) : whole(body, expected);
            }
        } catch (IOException e) {
            return isBeginning(tokens, expected)
                    ? new Answer(Outcome.GATEWAY_GONE, tokens, String.valueOf(e))
                    : wrong(tokens, expected);
        } catch (JacksonException e) {
            return new Answer(Outcome.WRONG, tokens, "no JSON: " + e.getOriginalMessage());
        }
    }

    private static Answer failed(int status, String body) {
        boolean hasMessage = body.contains("\"message\"");
        return new Answer(hasMessage ? Outcome.ERROR : Outcome.WRONG, List.of(), status + " " + body);
    }

    private static Answer whole(InputStream body, List<Integer> expected) throws IOException {
        List<Integer> tokens = ids(JsonMapper.shared().readTree(body.readAllBytes()));
        return tokens.equals(expected) ? new Answer(Outcome.EQUAL, tokens, "") : wrong(tokens, expected);
    }

    private static Answer streamed(InputStream body, List<Integer> expected, List<Integer> tokens) throws IOException {
        var lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8));
        String error = "";
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (line.equals("data: [DONE]")) {
                if (!error.isEmpty()) {
                    break;
                }
                return tokens.equals(expected) ? new Answer(Outcome.EQUAL, tokens, "") : wrong(tokens, expected);
            }
            if (line.startsWith("data: ")) {
                JsonNode event = JsonMapper.shared().readTree(line.substring("data: ".length()));
                if (event.has("error")) {
                    error = event.path("error").toString();
                }
                tokens.addAll(ids(event));
            }
        }
        if (!isBeginning(tokens, expected)) {
            return wrong(tokens, expected);
        }
        return error.isEmpty()
                ? new Answer(Outcome.GATEWAY_GONE, tokens, "the stream ended without [DONE] or an error")
                : new Answer(Outcome.CUT, tokens, error);
    }

    private static boolean isBeginning(List<Integer> tokens, List<Integer> expected) {
        return tokens.size() <= expected.size() && tokens.equals(expected.subList(0, tokens.size()));
    }

    private static Answer wrong(List<Integer> tokens, List<Integer> expected) {
        return new Answer(Outcome.WRONG, tokens, "got " + tokens + " where " + expected + " were right");
    }

    private static List<Integer> ids(JsonNode reply) {
        var ids = new ArrayList<Integer>();
        reply.path("choices").path(0).path("token_ids").forEach(id -> ids.add(id.intValue()));
        return ids;
    }

    private HttpRequest request(Question question, boolean isStream) {
        return HttpRequest.newBuilder(completions)
                .header("Content-Type", "application/json")
                .timeout(LIMIT)
                .POST(HttpRequest.BodyPublishers.ofString(question.body(isStream)))
                .build();
    }

    @Override
    public void close() {
        http.close();
    }
}
