package dev.tandem.gateway.intake;

import dev.tandem.api.StrictJson;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * One reply out of the replies to the requests for single sequences: one id, choices numbered through, usage added up (a prompt's tokens
 * once, however many choices it has). Replies come in any order. Owned by the event loop of the request.
 */
final class ReplyMerge {
    private final String id;
    private final int choices;
    private final @Nullable ObjectNode[] replies;
    private final @Nullable ObjectNode[] usages;

    /**
     * A merge of nothing yet.
     *
     * @param id of the reply
     * @param choices of each prompt: sequences with the same prompt follow each other
     * @param sequences how many there will be
     */
    ReplyMerge(String id, int choices, int sequences) {
        this.id = id;
        this.choices = choices;
        this.replies = new ObjectNode[sequences];
        this.usages = new ObjectNode[sequences];
    }

    /** Takes the whole reply for a sequence; an {@link dev.tandem.api.openai.ApiError} when it is not a JSON object. */
    void add(int sequence, byte[] reply) {
        ObjectNode object = StrictJson.object(reply);
        replies[sequence] = object;
        keepUsage(sequence, object);
    }

    /** The whole reply, once all have been taken. */
    byte[] whole() {
        ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (int sequence = 0; sequence < replies.length; sequence++) {
            number(sequence, reply(sequence)).forEach(all::add);
        }
        ObjectNode merged = reply(0);
        merged.put("id", id);
        merged.set("choices", all);
        merged.remove("kv_transfer_params");
        usage().ifPresent(sum -> merged.set("usage", sum));
        return StrictJson.bytes(merged);
    }

    private ObjectNode reply(int sequence) {
        ObjectNode reply = replies[sequence];
        if (reply == null) {
            throw new IllegalStateException("no reply for sequence " + sequence + " of " + id);
        }
        return reply;
    }

    /** Takes an event's data; what goes on to the client, if anything: usage is kept for the end. */
    Optional<byte[]> event(int sequence, String data) {
        ObjectNode chunk = StrictJson.object(data.getBytes(StandardCharsets.UTF_8));
        JsonNode list = chunk.path("choices");
        if (list.isArray() && list.isEmpty() && chunk.path("usage").isObject()) {
            replies[sequence] = chunk;
            keepUsage(sequence, chunk);
            return Optional.empty();
        }
        if (!chunk.has("error")) {
            chunk.put("id", id);
            number(sequence, chunk);
        }
        return Optional.of(asEvent(chunk));
    }

    /** The last event before the end, where the client has asked for usage. */
    Optional<byte[]> usageEvent() {
        for (ObjectNode chunk : replies) {
            if (chunk != null) {
                chunk.put("id", id);
                usage().ifPresent(sum -> chunk.set("usage", sum));
                return Optional.of(asEvent(chunk));
            }
        }
        return Optional.empty();
    }

    private static byte[] asEvent(ObjectNode chunk) {
        return ("data: " + new String(StrictJson.bytes(chunk), StandardCharsets.UTF_8) + "\n\n")
                .getBytes(StandardCharsets.UTF_8);
    }

    /** A node numbers the only choice of its reply 0. */
    private static JsonNode number(int sequence, ObjectNode reply) {
        JsonNode list = reply.path("choices");
        for (JsonNode choice : list) {
            if (choice instanceof ObjectNode object) {
                object.put("index", sequence);
            }
        }
        return list;
    }

    private void keepUsage(int sequence, ObjectNode reply) {
        if (reply.path("usage") instanceof ObjectNode usage) {
            usages[sequence] = usage;
        }
    }

    private Optional<ObjectNode> usage() {
        long prompt = 0;
        long completion = 0;
        long cached = 0;
        boolean hasUsage = false;
        boolean hasCached = false;
        JsonNode tandem = null;
        for (int sequence = 0; sequence < usages.length; sequence++) {
            ObjectNode usage = usages[sequence];
            if (usage == null) {
                continue;
            }
            hasUsage = true;
            completion += usage.path("completion_tokens").asLong(0);
            JsonNode cachedTokens = usage.path("prompt_tokens_details").path("cached_tokens");
            if (sequence % choices == 0) {
                prompt += usage.path("prompt_tokens").asLong(0);
                hasCached |= cachedTokens.isNumber();
                cached += cachedTokens.asLong(0);
            }
            boolean isLocal = usage.path("tandem").path("prefill").asString("").equals("local");
            if (usage.has("tandem") && (tandem == null || isLocal)) {
                tandem = usage.get("tandem"); // a sequence whose handoff failed is the one to be shown
            }
        }
        if (!hasUsage) {
            return Optional.empty();
        }
        ObjectNode sum = JsonNodeFactory.instance.objectNode();
        sum.put("prompt_tokens", prompt)
                .put("total_tokens", prompt + completion)
                .put("completion_tokens", completion);
        if (hasCached) {
            sum.putObject("prompt_tokens_details").put("cached_tokens", cached);
        }
        if (tandem != null) {
            sum.set("tandem", tandem);
        }
        return Optional.of(sum);
    }
}
