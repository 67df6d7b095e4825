package dev.tandem.gateway.protocol;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import java.nio.charset.StandardCharsets;

/**
 * A decode node that has asked for its prompt and waits for the answer. Made on the event loop of the node's connection, answered from
 * the event loop of the client's. Immutable.
 */
final class MetaserverCall {
    private static final byte[] OK = "{\"status\":\"ok\"}".getBytes(StandardCharsets.US_ASCII);

    private final LoopExchange node;
    private final byte[] params;

    /** @param params what the node has posted, a JSON object */
    MetaserverCall(LoopExchange node, byte[] params) {
        this.node = node;
        this.params = params;
    }

    byte[] params() {
        return params;
    }

    /** The prompt has been computed and written. */
    void pushed() {
        node.soon(() -> node.respond(200, "application/json", OK));
    }

    /** It has not. */
    void fail(ApiError error) {
        node.soon(() -> node.fail(error));
    }
}
