package dev.tandem.engine.cluster.channel;

import java.time.Duration;

/**
 * Bounds of one connection.
 *
 * @param silence longest time without a byte from the peer, for its first frame, and for the peer to take a piece of what is written;
 *     heartbeats go out at a quarter of it
 * @param maxFrameBytes longest body, once the peer is trusted
 * @param maxQueuedFrames frames that may wait to be written
 * @param maxQueuedBytes their bodies together; one frame may always wait
 */
public record ChannelLimits(Duration silence, int maxFrameBytes, int maxQueuedFrames, long maxQueuedBytes) {
    /** Longest body of a peer that is not trusted yet. */
    static final int MAX_OPENING_BYTES = 128 << 10;

    private static final Duration SHORTEST_SILENCE = Duration.ofMillis(20);

    public ChannelLimits {
        if (silence.compareTo(SHORTEST_SILENCE) < 0 || maxFrameBytes < 1 || maxQueuedFrames < 1 || maxQueuedBytes < 1) {
            throw new IllegalArgumentException("silence " + silence + ", max frame " + maxFrameBytes
                    + " bytes, queue of " + maxQueuedFrames + " frames and " + maxQueuedBytes
                    + " bytes must be at least " + SHORTEST_SILENCE + ", 1, 1 and 1");
        }
    }

    int maxOpeningBytes() {
        return Math.min(maxFrameBytes, MAX_OPENING_BYTES);
    }

    long heartbeatNs() {
        return silence.toNanos() / 4;
    }
}
