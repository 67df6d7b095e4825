package dev.tandem.bench.soak;

/** How a request ended for its client. */
enum Outcome {
    /** All tokens, and those of the quiet node. */
    EQUAL("the same tokens as without kills"),
    /** An error status with a message. */
    ERROR("an error status with a message"),
    /** Right tokens, then an explicit error instead of an end. */
    CUT("the beginning of the right tokens, then an error event"),
    /** The gateway itself was gone: refused, or the connection broke before the end was said. */
    GATEWAY_GONE("the connection to the gateway broke or was refused"),
    /** Tokens that the quiet node does not give, or an end without all of them: must never happen. */
    WRONG("WRONG: other tokens, or an answer cut short");

    private final String sentence;

    Outcome(String sentence) {
        this.sentence = sentence;
    }

    String sentence() {
        return sentence;
    }
}
