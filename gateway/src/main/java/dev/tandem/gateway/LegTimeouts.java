package dev.tandem.gateway;

import java.time.Duration;

/**
 * How long a call of a node may be silent while the node still answers to others; a node that hangs is given up sooner.
 *
 * @param firstByte {@code --first-byte-timeout}: until the first byte of an answer. A prompt that waits and is computed is silent all the time
 * @param interToken {@code --inter-token-timeout}: between two tokens of a stream, and inside an answer in one piece
 */
public record LegTimeouts(Duration firstByte, Duration interToken) {
    /** Half an hour, five minutes. */
    public static final LegTimeouts DEFAULT = new LegTimeouts(Duration.ofMinutes(30), Duration.ofMinutes(5));
}
