package dev.tandem.gateway.fleet;

/**
 * How KV gets from a prefill to a decode node. The engine has its own type for it: the gateway may not see the engine and reads a node's
 * word off the wire.
 */
public enum HandoffKind {
    /** The decode node reads when the prefill node has answered. */
    PULL("pull", "MooncakeConnector or LLMDataDistCMgrConnector"),
    /** The prefill node writes each layer while it computes the next. */
    LAYERWISE("layerwise", "MooncakeLayerwiseConnector");

    private final String word;
    private final String connector;

    HandoffKind(String word, String connector) {
        this.word = word;
        this.connector = connector;
    }

    /** What a node of ours says that it runs. */
    public String word() {
        return word;
    }

    /** The connectors that a node may be started with; the same on all nodes. */
    public String connector() {
        return connector;
    }
}
