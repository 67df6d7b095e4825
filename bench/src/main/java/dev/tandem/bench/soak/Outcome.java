package dev.tandem.bench.soak;

/** How a request ended for its client. */
enum Outcome {
    /** All tokens, and those of the quiet node. */
    EQUAL("the same tokens as without faults", true),
    /** An error status with a message. */
    ERROR("an error status with a message", true),
    /** Right tokens, then an explicit error instead of an end. */
    CUT("the beginning of the right tokens, then an error event", true),
    /** The gateway itself was killed, or its connections were: refused, or the connection broke before the end was said. */
    GATEWAY_GONE("the connection to the gateway was refused, or broke with it", true),
    /** The client did not wait for its answer. */
    LEFT("the client left", true),
    /** The connection broke although nothing happened to the gateway. */
    BROKEN("BROKEN: the connection ended without a word", false),
    /** Neither an answer nor an error in time. */
    LATE("LATE: no end within the deadline", false),
    /** Tokens that the quiet node does not give, or an end without all of them. */
    WRONG("WRONG: other tokens, or an answer cut short", false);

    private final String sentence;
    private final boolean mayHappen;

    Outcome(String sentence, boolean mayHappen) {
        this.sentence = sentence;
        this.mayHappen = mayHappen;
    }

    String sentence() {
        return sentence;
    }

    /** False for what is a fault of ours, whatever was done to the cluster. */
    boolean mayHappen() {
        return mayHappen;
    }
}
