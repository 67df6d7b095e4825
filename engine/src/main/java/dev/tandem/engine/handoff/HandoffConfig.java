package dev.tandem.engine.handoff;

import java.time.Duration;

/**
 * The part that one data-parallel replica plays in prefill/decode exchanges.
 *
 * @param engineId of this node, unique in the deployment unless a rank table says who is who
 * @param sideChannelPort of tensor rank 0 of this replica, {@code kv_port + global dp rank * tp size}, or as LLMDataDistCMgrConnector
 *     counts; rank r listens on {@code sideChannelPort + r}. 0 for any free ones
 * @param role {@code kv_role}
 * @param connector {@code kv_connector}, the same on both sides
 * @param peers where it learns who the other side is
 * @param leaseTimeout how long P keeps lent blocks, and how long D waits for a push in which nothing moves
 * @param fetchTimeout how long bytes that could move may take: D's read, P's write
 * @param failurePolicy {@code kv_load_failure_policy}
 */
public record HandoffConfig(
        String engineId,
        int sideChannelPort,
        Role role,
        Connector connector,
        Peers peers,
        Duration leaseTimeout,
        Duration fetchTimeout,
        FailurePolicy failurePolicy) {
    public HandoffConfig {
        if (peers instanceof Peers.FromRankTable && (connector != Connector.PULL || role == Role.BOTH)) {
            throw new IllegalArgumentException("a rank table with kv_role " + role + " and connector " + connector);
        }
    }

    /** Whether this engine's memory is read or written by peers, so that they need to find it. */
    public boolean isHost() {
        return switch (connector) {
            case PULL -> role != Role.CONSUMER;
            case LAYERWISE -> role != Role.PRODUCER;
        };
    }

    /** When bytes move. */
    public enum Connector {
        /** MooncakeConnector, LLMDataDistCMgrConnector: the decode node reads a prompt's KV when the prefill node has answered. */
        PULL,
        /** MooncakeLayerwiseConnector: the prefill node writes each layer as it is computed. */
        LAYERWISE
    }

    /** {@code kv_role}. */
    public enum Role {
        PRODUCER,
        CONSUMER,
        BOTH
    }

    /** What D does when the prompt's KV cannot be fetched. */
    public enum FailurePolicy {
        RECOMPUTE,
        FAIL
    }
}
