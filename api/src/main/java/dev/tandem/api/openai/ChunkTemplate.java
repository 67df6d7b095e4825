package dev.tandem.api.openai;

import dev.tandem.api.openai.ReplyBuilder.Kind;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * The stream chunks of one choice as server-sent events. What is the same in all of them is made once; the text of a piece is escaped and
 * spliced in between, so that a token costs two copies and no JSON tree:
 *
 * <pre>
 *   data: {"id":…,"choices":[{"index":0,"text":   "the piece"   ,"logprobs":null,"finish_reason":null,"stop_reason":null}]}
 *   data: {"id":…,"choices":[{"index":0,"delta":{"content":   "the piece"   },"logprobs":null,…}]}
 * </pre>
 *
 * The bytes are those that Jackson writes for the same tree. Immutable.
 */
public final class ChunkTemplate {
    private final ReplyBuilder builder;
    private final byte[] beforeText;
    private final byte[] afterText; // where the piece carries nothing but text

    ChunkTemplate(ReplyBuilder builder, int index) {
        this.builder = builder;
        String head = builder.chunkHead().toString();
        this.beforeText = utf8("data: " + head.substring(0, head.length() - 1) + ",\"choices\":[{\"index\":" + index
                + (builder.kind() == Kind.CHAT ? ",\"delta\":{\"content\":" : ",\"text\":"));
        this.afterText = afterText(
                new ReplyPiece(index, "", Optional.empty(), Optional.empty(), Optional.empty()), Optional.empty());
    }

    /** The event with new output, framed. */
    public byte[] event(ReplyPiece piece, Optional<ReplyUsage> usage) {
        boolean isText = piece.logprobs().isEmpty()
                && piece.tokenIds().isEmpty()
                && piece.ending().isEmpty()
                && usage.isEmpty();
        byte[] text = JsonStrings.quoted(piece.text());
        byte[] after = isText ? afterText : afterText(piece, usage);
        var event = new byte[beforeText.length + text.length + after.length];
        System.arraycopy(beforeText, 0, event, 0, beforeText.length);
        System.arraycopy(text, 0, event, beforeText.length, text.length);
        System.arraycopy(after, 0, event, beforeText.length + text.length, after.length);
        return event;
    }

    private byte[] afterText(ReplyPiece piece, Optional<ReplyUsage> usage) {
        ObjectNode choice = JsonNodeFactory.instance.objectNode();
        builder.fill(choice, piece);
        String fields = choice.toString().substring(1); // with the brace that ends the choice
        return utf8((builder.kind() == Kind.CHAT ? "}," : ",")
                + fields
                + "]"
                + usage.map(counts -> ",\"usage\":" + counts.toJson()).orElse("")
                + "}\n\n");
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
