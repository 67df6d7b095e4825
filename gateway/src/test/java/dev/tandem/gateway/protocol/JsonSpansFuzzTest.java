package dev.tandem.gateway.protocol;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.corpus.Corpus;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Bodies as the gateway sees them against bodies as a node reads them: what a node takes the gateway takes, with the same fields and the
 * same values, and what the gateway sends on says the same but for what it changed.
 */
class JsonSpansFuzzTest {
    private static final byte[] TICKET = "{\"remote_port\":1}".getBytes(StandardCharsets.US_ASCII);

    @Test
    void shouldAgreeWithTheNodesAboutEveryBody() {
        Corpus.replay("spans", JsonSpansFuzzTest::fuzzerTestOneInput);
    }

    public static void fuzzerTestOneInput(byte[] input) {
        Optional<ObjectNode> strict = strict(input);
        JsonSpans spans;
        try {
            spans = JsonSpans.of(input);
        } catch (ApiError refusal) {
            Corpus.require(refusal.status() == 400, "status " + refusal.status() + " for a client's mistake");
            Corpus.require(strict.isEmpty(), "refused what a node takes: " + refusal.getMessage());
            return;
        }
        strict.ifPresent(object -> compare(spans, object));
        Optional<ObjectNode> decode = strict(LegRequests.decodeBody(spans, TICKET));
        Corpus.require(decode.isPresent() || strict.isEmpty(), "a node refuses what was made of what it takes");
        strict(LegRequests.prefillBody(spans));
        LegRequests.unfit(spans, true);
        SequencePlan.of(spans).ifPresent(plan -> plan.bodies().forEach(JsonSpans::of));
        try {
            LegRequests.ticket(input).ifPresent(ticket -> Corpus.require(ticket[0] == '{', "no ticket"));
        } catch (ApiError refusal) {
            throw new AssertionError("refused what was read before", refusal);
        }
    }

    private static void compare(JsonSpans spans, ObjectNode object) {
        for (var entry : object.properties()) {
            String name = entry.getKey();
            Corpus.require(spans.has(name), "no field " + name);
            JsonNode value = value(spans.raw(name).orElseThrow());
            Corpus.require(value.equals(entry.getValue()), "another value of " + name);
        }
        ObjectNode sent = StrictJson.object(LegRequests.decodeBody(spans, TICKET));
        sent.remove("kv_transfer_params");
        ObjectNode kept = object.deepCopy();
        kept.remove("kv_transfer_params");
        Corpus.require(sent.equals(kept), "other fields were changed");
    }

    private static JsonNode value(byte[] raw) {
        byte[] wrapped = new byte[raw.length + 6];
        System.arraycopy("{\"v\":".getBytes(StandardCharsets.US_ASCII), 0, wrapped, 0, 5);
        System.arraycopy(raw, 0, wrapped, 5, raw.length);
        wrapped[wrapped.length - 1] = '}';
        return StrictJson.object(wrapped).get("v");
    }

    private static Optional<ObjectNode> strict(byte[] input) {
        try {
            return Optional.of(StrictJson.object(input));
        } catch (ApiError refusal) {
            return Optional.empty();
        }
    }
}
