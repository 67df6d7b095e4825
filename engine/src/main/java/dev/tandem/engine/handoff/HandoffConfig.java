package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffTicket;
import java.time.Duration;

/**
 * The part that one data-parallel replica plays in prefill/decode exchanges.
 *
 * @param engineId of this node, unique in the deployment
 * @param sideChannelPort of tensor rank 0 of this replica, {@code kv_port + global dp rank * tp size}; rank r listens on
 *     {@code sideChannelPort + r}. 0 for any free ones
 * @param role {@code kv_role}
 * @param peerTpSize tensor ranks of the other side's engines, as {@code kv_connector_extra_config} says; a ticket that says it itself wins
 * @param terms deadlines and what happens when they pass
 */
public record HandoffConfig(String engineId, int sideChannelPort, Role role, int peerTpSize, Terms terms) {
    public HandoffConfig {
        if (peerTpSize < 1 || peerTpSize > HandoffTicket.MAX_TP_SIZE) {
            throw new IllegalArgumentException(
                    "tp_size " + peerTpSize + " of the peer is not 1 to " + HandoffTicket.MAX_TP_SIZE);
        }
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
     * @param leaseTimeout how long P keeps lent blocks
     * @param fetchTimeout how long D waits for a read
     * @param failurePolicy {@code kv_load_failure_policy}
     */
    public record Terms(Duration leaseTimeout, Duration fetchTimeout, FailurePolicy failurePolicy) {}
}
