package dev.tandem.text;

import java.util.function.IntFunction;

/**
 * Turns one sequence's ids into text piece by piece. Works on the tokens' bytes, so a piece never changes when later ids come; an
 * incomplete UTF-8 sequence is held back until it is complete or cannot become so. Belongs to one stream.
 */
public final class Detokenizer {
    private final IntFunction<byte[]> bytesOfId;
    private final Utf8Stream utf8 = new Utf8Stream();

    public Detokenizer(Tokenizer tokenizer, boolean skipsSpecialTokens) {
        this(id -> skipsSpecialTokens && tokenizer.isSpecial(id) ? new byte[0] : tokenizer.tokenBytes(id));
    }

    /**
     * A detokenizer over any vocabulary.
     *
     * @param bytesOfId bytes to emit for an id; empty for none
     */
    public Detokenizer(IntFunction<byte[]> bytesOfId) {
        this.bytesOfId = bytesOfId;
    }

    /**
     * Text to emit after this id; may be empty. Ids past the vocabulary (rows that only pad the embedding) give nothing.
     *
     * @throws IllegalArgumentException when the id is negative
     */
    public String add(int id) {
        StringBuilder piece = new StringBuilder();
        utf8.decode(bytesOfId.apply(id), piece);
        return piece.toString();
    }

    /** What is still held back at the end: empty, or U+FFFD for what cannot be completed any more. The next id begins a new text. */
    public String finish() {
        StringBuilder tail = new StringBuilder();
        utf8.finish(tail);
        return tail.toString();
    }
}
