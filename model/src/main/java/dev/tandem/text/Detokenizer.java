package dev.tandem.text;

/** Turns one sequence's ids into text piece by piece; holds back an incomplete UTF-8 sequence. Belongs to one stream. */
public final class Detokenizer {
    public Detokenizer(Tokenizer tokenizer, boolean skipsSpecialTokens) {}

    /** Text to emit after this id; may be empty. */
    public String add(int id) {
        throw new IllegalStateException("contract only");
    }

    /** What is still held back at the end. */
    public String finish() {
        throw new IllegalStateException("contract only");
    }
}
