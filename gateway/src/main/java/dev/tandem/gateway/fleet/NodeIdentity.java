package dev.tandem.gateway.fleet;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * What a node of ours says of itself on {@code /version}; other nodes say nothing of the kind.
 *
 * @param role {@code prefill}, {@code decode}, {@code both}, {@code aggregated} or {@code gateway}
 * @param handoff {@code pull} or {@code layerwise}; empty for an aggregated node
 * @param connector {@code kv_connector} that it runs; empty when it does not say, or for an aggregated node
 * @param engineId what its peers know it by; empty for an aggregated node
 */
public record NodeIdentity(String role, String handoff, String connector, String engineId) {
    /** Nodes of this connector know each other by the rank table: equal engine ids are right. */
    private static final String BY_RANK_TABLE = "LLMDataDistCMgrConnector";

    /** Reads the page; none when it is not one of ours. */
    static Optional<NodeIdentity> read(byte[] page) {
        JsonNode node;
        try {
            node = StrictJson.object(page).path("node");
        } catch (ApiError e) {
            return Optional.empty(); // some other program's page
        }
        return node.isObject() && node.path("role").isString()
                ? Optional.of(new NodeIdentity(
                        node.path("role").stringValue(),
                        node.path("handoff").asString(""),
                        node.path("connector").asString(""),
                        node.path("engine_id").asString("")))
                : Optional.empty();
    }

    /** Why a node cannot be what it is listed as, if it cannot. Pure. */
    Optional<String> misfit(NodeRole listedAs, HandoffKind kind) {
        String wanted = listedAs == NodeRole.PREFILL ? "kv_producer" : "kv_consumer";
        if (role.equals("gateway")) {
            return Optional.of("it is a gateway, not a node");
        }
        if (role.equals("aggregated")) {
            return Optional.of("it runs without --kv-transfer-config; a " + listedAs.word() + " node needs "
                    + kind.connector() + " with kv_role " + wanted
                    + " (did its script lose a backslash in front of --kv-transfer-config?)");
        }
        if (!role.equals("both") && !role.equals(listedAs.word())) {
            return Optional.of("it is a " + role + " node, but listed as a " + listedAs.word()
                    + " node; is it in the wrong list?");
        }
        if (!handoff.equals(kind.word())) {
            return Optional.of(
                    kind == HandoffKind.LAYERWISE
                            ? "it hands off by " + handoff
                                    + ", but the gateway was started with --layerwise; leave that"
                                    + " out, or start the nodes with " + kind.connector()
                            : "it hands off " + handoff + ", but the gateway was started without --layerwise; add that,"
                                    + " or start the nodes with " + kind.connector());
        }
        return Optional.empty();
    }

    /** Why a prefill and a decode node cannot work together, if they cannot; {@code other} is the other one, for the message. Pure. */
    Optional<String> clash(NodeIdentity another, Object other) {
        if (!connector.isEmpty() && !another.connector.isEmpty() && !connector.equals(another.connector)) {
            return Optional.of("it runs " + connector + ", but the node " + other + " runs " + another.connector
                    + "; prefill and decode nodes need the same connector");
        }
        // a decode node takes blocks of its own engine id for its own
        return engineId.equals(another.engineId) && !connector.equals(BY_RANK_TABLE)
                ? Optional.of("it has the same engine_id as the node " + other
                        + "; prefill and decode nodes need different ones")
                : Optional.empty();
    }
}
