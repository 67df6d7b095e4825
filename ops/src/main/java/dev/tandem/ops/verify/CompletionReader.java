package dev.tandem.ops.verify;

import dev.tandem.ops.verify.Completion.Output;
import dev.tandem.ops.verify.Completion.Times;
import dev.tandem.ops.verify.Reply.Line;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;

/** Reads replies of completions and chats, whole or as server-sent events. Pure. */
final class CompletionReader {
    private static final String HEADER = "x-tandem-disaggregated";
    private static final String DATA = "data:";
    private static final String DONE = "[DONE]";

    private final Reply reply;
    private final StringBuilder text = new StringBuilder();
    private final List<Integer> ids = new ArrayList<>();
    private final List<Long> tokenNs = new ArrayList<>();
    private JsonNode usage = JsonNodeFactory.instance.objectNode();

    private CompletionReader(Reply reply) {
        this.reply = reply;
    }

    /** An answer in one piece. */
    static Completion whole(Reply reply) {
        var reader = new CompletionReader(reply);
        JsonNode body = reply.json();
        if (!reply.isOk() || body.has("error")) {
            return reader.answer(Optional.of(reply.complaint()));
        }
        if (!body.path("choices").path(0).isObject()) {
            return reader.answer(Optional.of("the reply has no choices: " + reply.complaint()));
        }
        reader.take(body);
        return reader.answer(Optional.empty());
    }

    /** An answer as events. */
    static Completion streamed(Reply reply) {
        var reader = new CompletionReader(reply);
        if (!reply.isOk()) {
            return reader.answer(Optional.of(reply.complaint()));
        }
        for (Line line : reply.lines()) {
            if (!line.text().startsWith(DATA)) {
                continue;
            }
            String data = line.text().substring(DATA.length()).strip();
            if (data.equals(DONE)) {
                return reader.answer(Optional.empty());
            }
            Optional<String> problem = reader.event(data, line.sinceSentNs());
            if (problem.isPresent()) {
                return reader.answer(problem);
            }
        }
        return reader.answer(Optional.of(
                reply.lines().isEmpty() ? "the stream is empty" : "the stream ended without " + DATA + " " + DONE));
    }

    private Optional<String> event(String data, long sinceSentNs) {
        JsonNode event;
        try {
            event = JsonMapper.shared().readTree(data);
        } catch (JacksonException e) {
            return Optional.of("an event is not valid JSON: " + data);
        }
        if (event.has("error")) {
            return Optional.of("the stream ended with an error: " + event.path("error"));
        }
        if (take(event)) {
            tokenNs.add(sinceSentNs);
        }
        return Optional.empty();
    }

    /** Takes the output of a reply or event; whether there was any. */
    private boolean take(JsonNode body) {
        JsonNode choice = body.path("choices").path(0);
        JsonNode content = choice.has("delta") ? choice.path("delta") : choice.path("message");
        String piece = choice.path("text").asString(content.path("content").asString(""));
        text.append(piece);
        JsonNode pieceIds = choice.path("token_ids");
        pieceIds.forEach(id -> ids.add(id.asInt(-1)));
        if (body.path("usage").isObject()) {
            usage = body.path("usage");
        }
        return !piece.isEmpty() || !pieceIds.isEmpty();
    }

    private Completion answer(Optional<String> problem) {
        long totalNs = reply.lines().isEmpty() ? 0 : reply.lines().getLast().sinceSentNs();
        return new Completion(
                new Output(text.toString(), ids), problem, new Times(tokenNs, totalNs), usage, reply.header(HEADER));
    }
}
