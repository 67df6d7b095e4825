package dev.tandem.api.server;

import java.time.Duration;

/**
 * Bounds on what a client may cost.
 *
 * @param pendingResponseBytes bytes of one response that wait for a slow client before its writer blocks
 * @param slowClientTimeout how long a writer blocks before the client is given up
 * @param bodyTimeout how long a request's body may take to arrive
 * @param closeTimeout how long closing waits for exchanges in flight
 */
public record HttpLimits(
        int pendingResponseBytes, Duration slowClientTimeout, Duration bodyTimeout, Duration closeTimeout) {
    /** 256 KiB, one minute, 30 seconds, 5 seconds. */
    public static final HttpLimits DEFAULT =
            new HttpLimits(256 << 10, Duration.ofMinutes(1), Duration.ofSeconds(30), Duration.ofSeconds(5));
}
