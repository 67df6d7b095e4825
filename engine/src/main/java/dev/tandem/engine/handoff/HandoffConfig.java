package dev.tandem.engine.handoff;

import java.time.Duration;

/**
 * The part that one data-parallel replica plays in prefill/decode exchanges.
 *
 * @param engineId of this node, unique in the deployment unless a rank table says who is who
 * @param sideChannelPort of tensor rank 0 of this replica, {@code kv_port + global dp rank * tp size}, or as LLMDataDistCMgrConnector
 *     counts; rank r listens on {@code sideChannelPort + r}. 0 for any free ones
 * @param part which side it takes, and how KV moves
 * @param peers where it learns who the other side is
 * @param terms deadlines and what happens when they pass
 */
public record HandoffConfig(String engineId, int sideChannelPort, Part part, Peers peers, Terms terms) {
    public HandoffConfig {
        if (peers instanceof Peers.FromRankTable && (part.connector() != Connector.PULL || part.role() == Role.BOTH)) {
            throw new IllegalArgumentException("a rank table with " + part);
        }
    }

    /** Of an engine whose peers are found by their tickets. */
    public HandoffConfig(String engineId, int sideChannelPort, Part part, int peerTpSize, Terms terms) {
        this(engineId, sideChannelPort, part, new Peers.FromTicket(peerTpSize), terms);
    }

    /** {@code kv_role}. */
    public Role role() {
        return part.role();
    }

    /** {@code kv_connector}. */
    public Connector connector() {
        return part.connector();
    }

    /** Whether this engine's memory is read or written by peers, so that they need to find it. */
    boolean isHost() {
        return switch (part.connector()) {
            case PULL -> part.role() != Role.CONSUMER;
            case LAYERWISE -> part.role() != Role.PRODUCER;
        };
    }

    /**
     * @param role {@code kv_role}
     * @param connector {@code kv_connector}, the same on both sides
     */
    public record Part(Role role, Connector connector) {}

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

    /** What D does when the prompt's KV cannot be had. */
    public enum FailurePolicy {
        RECOMPUTE,
        FAIL
    }

    /**
     * @param leaseTimeout how long P keeps lent blocks, and how long D waits for a push in which nothing moves
     * @param fetchTimeout how long bytes that could move may take: D's read, P's write
     * @param failurePolicy {@code kv_load_failure_policy}
     */
    public record Terms(Duration leaseTimeout, Duration fetchTimeout, FailurePolicy failurePolicy) {}
}
