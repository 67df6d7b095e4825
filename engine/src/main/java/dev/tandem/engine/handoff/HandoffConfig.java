package dev.tandem.engine.handoff;

import java.time.Duration;

/**
 * A node's part in prefill/decode exchanges.
 *
 * @param engineId of this node, unique in the deployment
 * @param host announced address of side channel and transfer engine
 * @param sideChannelPort of tensor rank 0
 * @param role {@code kv_role}
 * @param leaseTimeout how long P keeps lent blocks
 * @param fetchTimeout how long D waits for a read
 * @param failurePolicy {@code kv_load_failure_policy}
 */
public record HandoffConfig(
        String engineId,
        String host,
        int sideChannelPort,
        Role role,
        Duration leaseTimeout,
        Duration fetchTimeout,
        FailurePolicy failurePolicy) {

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
}
