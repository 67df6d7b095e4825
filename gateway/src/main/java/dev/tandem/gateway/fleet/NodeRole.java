package dev.tandem.gateway.fleet;

/** What a node is asked for. */
public enum NodeRole {
    /** Computes prompts and lends their KV blocks. */
    PREFILL("prefill"),
    /** Generates the answer. */
    DECODE("decode");

    private final String word;

    NodeRole(String word) {
        this.word = word;
    }

    /** The role in logs, metrics and messages. */
    public String word() {
        return word;
    }
}
