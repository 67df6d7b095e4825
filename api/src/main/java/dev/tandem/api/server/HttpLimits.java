package dev.tandem.api.server;

import java.time.Duration;

/**
 * Bounds on what a client may cost.
 *
 * @param pendingResponseBytes bytes of one response that wait for a slow client before its writer blocks
 * @param slowClientTimeout how long a writer blocks before the client is given up
 * @param bodyTimeout how long a request's body may take to arrive
 * @param closeTimeout how long closing waits for exchanges in flight
 * @param heldBytes bytes held for all clients together, in bodies and in replies that wait for their reader; more get a 503
 */
public record HttpLimits(
        int pendingResponseBytes,
        Duration slowClientTimeout,
        Duration bodyTimeout,
        Duration closeTimeout,
        long heldBytes) {
    /** The share of the heap that is held for clients is 1 of this. */
    private static final int HEAP_SHARE = 4;

    /** 256 KiB, one minute, 30 seconds, 5 seconds, a quarter of the heap. */
    public static final HttpLimits DEFAULT =
            new HttpLimits(256 << 10, Duration.ofMinutes(1), Duration.ofSeconds(30), Duration.ofSeconds(5));

    /** With a quarter of the heap. */
    public HttpLimits(
            int pendingResponseBytes, Duration slowClientTimeout, Duration bodyTimeout, Duration closeTimeout) {
        this(
                pendingResponseBytes,
                slowClientTimeout,
                bodyTimeout,
                closeTimeout,
                Runtime.getRuntime().maxMemory() / HEAP_SHARE);
    }
}
