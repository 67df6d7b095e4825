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
 * @param engineId what its peers know it by; empty for an aggregated node
 */
public record NodeIdentity(String role, String handoff, String engineId) {
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
                    + kind.connector() + " with kv_role " + wanted);
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
}
