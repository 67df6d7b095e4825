package dev.tandem.api.openai;

import dev.tandem.api.openai.ReplyBuilder.Kind;
import dev.tandem.api.sse.SseWriter;
import java.util.Optional;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The stream chunks of one choice as server-sent events. What is the same in all of them is made once; the text of a piece is escaped and
 * spliced in between, so that a token costs two copies and no JSON tree:
 *
 * <pre>
 *   data: {"id":…,"choices":[{"index":0,"text":"   the piece   ","logprobs":null,"finish_reason":null,"stop_reason":null}]}
 *   data: {"id":…,"choices":[{"index":0,"delta":{"content":"   the piece   "},"logprobs":null,…}]}
 * </pre>
 *
 * The bytes are those that Jackson writes for the same tree. Immutable.
 */
public final class ChunkTemplate {
    private final ReplyBuilder builder;
    private final SseWriter writer; // for pieces that carry nothing but text

    ChunkTemplate(ReplyBuilder builder, int index) {
        this.builder = builder;
        String head = builder.chunkHead().toString();
        String before = head.substring(0, head.length() - 1) + ",\"choices\":[{\"index\":" + index
                + (builder.kind() == Kind.CHAT ? ",\"delta\":{\"content\":\"" : ",\"text\":\"");
        var onlyText = new ReplyPiece(index, "", Optional.empty(), Optional.empty(), Optional.empty());
        this.writer = new SseWriter(before, afterText(onlyText, Optional.empty()));
    }

    /** The event with new output, framed. */
    public byte[] event(ReplyPiece piece, Optional<ReplyUsage> usage) {
        boolean isOnlyText = piece.logprobs().isEmpty()
                && piece.tokenIds().isEmpty()
                && piece.ending().isEmpty()
                && usage.isEmpty();
        return isOnlyText ? writer.event(piece.text()) : writer.event(piece.text(), afterText(piece, usage));
    }

    /** From the quote that closes the text on. */
    private String afterText(ReplyPiece piece, Optional<ReplyUsage> usage) {
        ObjectNode choice = JsonNodeFactory.instance.objectNode();
        builder.fill(choice, piece);
        String fields = choice.toString().substring(1); // with the brace that ends the choice
        return (builder.kind() == Kind.CHAT ? "\"}," : "\",")
                + fields
                + "]"
                + usage.map(counts -> ",\"usage\":" + counts.toJson()).orElse("")
                + "}";
    }
}
