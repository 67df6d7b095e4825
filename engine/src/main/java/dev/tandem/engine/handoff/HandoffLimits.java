package dev.tandem.engine.handoff;

import java.time.Duration;

/**
 * Bounds of what the replicas of one process do in exchanges.
 *
 * @param answerTimeout how long a peer's side channel may take to answer, each try
 * @param tries questions are asked this often, each time over a fresh socket
 * @param questionsPerPeer questions that may wait for one peer; one more fails
 * @param peers sockets and cached metadata kept; the longest unused goes first
 * @param tasks beginnings of transfers and declines that may wait for the side-channel poller; one more is refused
 * @param fetches reads that may be under way; one more fails
 * @param writesPerPush writes of one prompt that may be under way; what is stored meanwhile goes out later, in longer pieces
 * @param closeGrace how long closing waits for done messages to be delivered
 */
public record HandoffLimits(
        Duration answerTimeout,
        int tries,
        int questionsPerPeer,
        int peers,
        int tasks,
        int fetches,
        int writesPerPush,
        Duration closeGrace) {
    /** vllm-ascend's 1 s and 3 tries, and bounds that only a fault reaches. */
    public static HandoffLimits standard() {
        return new HandoffLimits(Duration.ofSeconds(1), 3, 4096, 256, 16_384, 4096, 8, Duration.ofSeconds(1));
    }
}
