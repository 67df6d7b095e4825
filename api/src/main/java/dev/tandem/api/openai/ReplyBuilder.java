package dev.tandem.api.openai;

import dev.tandem.api.openai.ReplyPiece.Ending;
import dev.tandem.api.openai.ReplyPiece.TokenLogprob;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Builds the replies and stream chunks of one request, in the shapes of vLLM.
 *
 * @param kind completion or chat
 * @param id reply id
 * @param createdSeconds Unix time
 * @param model name that the reply shows
 */
public record ReplyBuilder(Kind kind, String id, long createdSeconds, String model) {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** Which of the two reply shapes. */
    public enum Kind {
        COMPLETION("text_completion", "text_completion"),
        CHAT("chat.completion", "chat.completion.chunk");

        private final String whole;
        private final String chunk;

        Kind(String whole, String chunk) {
            this.whole = whole;
            this.chunk = chunk;
        }
    }

    /**
     * A whole reply.
     *
     * @param choices all output of each choice
     * @param promptTokenIds of each choice's prompt, when the ids were asked for
     * @param kvTransferParams the ticket of a prefill node
     */
    public ObjectNode whole(
            List<ReplyPiece> choices,
            ReplyUsage usage,
            Optional<List<List<Integer>>> promptTokenIds,
            Optional<Map<String, Object>> kvTransferParams) {
        ObjectNode reply = head(kind.whole);
        ArrayNode array = reply.putArray("choices");
        for (ReplyPiece choice : choices) {
            ObjectNode node = array.addObject();
            node.put("index", choice.index());
            if (kind == Kind.CHAT) {
                node.putObject("message").put("role", "assistant").put("content", choice.text());
            } else {
                node.put("text", choice.text());
            }
            fill(node, choice);
            if (kind == Kind.COMPLETION) {
                promptTokenIds.ifPresent(ids -> node.set("prompt_token_ids", PlainJson.tree(ids.get(choice.index()))));
            }
        }
        reply.set("usage", usage.toJson());
        if (kind == Kind.CHAT) {
            promptTokenIds.ifPresent(ids -> reply.set("prompt_token_ids", PlainJson.tree(ids.getFirst())));
        }
        kvTransferParams.ifPresent(params -> reply.set("kv_transfer_params", PlainJson.tree(params)));
        return reply;
    }

    /** The first chunk of a chat choice, which carries the role. */
    public ObjectNode roleChunk(int index, Optional<List<Integer>> promptTokenIds) {
        ObjectNode chunk = chunkHead();
        ObjectNode choice = chunk.putArray("choices").addObject();
        choice.put("index", index);
        choice.putObject("delta").put("role", "assistant").put("content", "");
        choice.set("logprobs", NODES.nullNode());
        choice.set("finish_reason", NODES.nullNode());
        promptTokenIds.ifPresent(ids -> chunk.set("prompt_token_ids", PlainJson.tree(ids)));
        return chunk;
    }

    /** What the chunks of one choice have in common. */
    public ChunkTemplate chunks(int index) {
        return new ChunkTemplate(this, index);
    }

    /** The last chunk of a stream that asked for {@code include_usage}. */
    public ObjectNode usageChunk(ReplyUsage usage) {
        ObjectNode chunk = chunkHead();
        chunk.putArray("choices");
        chunk.set("usage", usage.toJson());
        return chunk;
    }

    /** The fields that every chunk begins with. */
    ObjectNode chunkHead() {
        return head(kind.chunk);
    }

    private ObjectNode head(String object) {
        ObjectNode head = NODES.objectNode();
        head.put("id", id);
        head.put("object", object);
        head.put("created", createdSeconds);
        head.put("model", model);
        return head;
    }

    /** Puts all of a piece but its text into its choice. */
    void fill(ObjectNode choice, ReplyPiece piece) {
        JsonNode logprobs = piece.logprobs()
                .<JsonNode>map(kind == Kind.CHAT ? ReplyBuilder::chatLogprobs : ReplyBuilder::completionLogprobs)
                .orElse(NODES.nullNode());
        choice.set("logprobs", logprobs);
        Optional<Ending> ending = piece.ending();
        choice.set(
                "finish_reason",
                ending.<JsonNode>map(e -> NODES.stringNode(e.finishReason())).orElse(NODES.nullNode()));
        choice.set(
                "stop_reason",
                ending.flatMap(Ending::stopReason).map(PlainJson::tree).orElse(NODES.nullNode()));
        piece.tokenIds().ifPresent(ids -> choice.set("token_ids", PlainJson.tree(ids)));
    }

    private static ObjectNode completionLogprobs(List<TokenLogprob> tokens) {
        ObjectNode logprobs = NODES.objectNode();
        ArrayNode offsets = logprobs.putArray("text_offset");
        ArrayNode values = logprobs.putArray("token_logprobs");
        ArrayNode spellings = logprobs.putArray("tokens");
        ArrayNode tops = logprobs.putArray("top_logprobs");
        for (TokenLogprob token : tokens) {
            offsets.add(token.textOffset());
            values.add(token.logprob());
            spellings.add(token.token());
            ObjectNode top = tops.addObject();
            for (TokenLogprob alternative : token.top()) {
                top.put(alternative.token(), alternative.logprob());
            }
        }
        return logprobs;
    }

    private static ObjectNode chatLogprobs(List<TokenLogprob> tokens) {
        ObjectNode logprobs = NODES.objectNode();
        ArrayNode content = logprobs.putArray("content");
        for (TokenLogprob token : tokens) {
            ObjectNode node = content.addObject();
            fillChat(node, token);
            ArrayNode top = node.putArray("top_logprobs");
            token.top().forEach(alternative -> fillChat(top.addObject(), alternative));
        }
        return logprobs;
    }

    private static void fillChat(ObjectNode node, TokenLogprob token) {
        node.put("token", token.token());
        node.put("logprob", token.logprob());
        node.set("bytes", PlainJson.tree(token.bytes()));
    }
}
