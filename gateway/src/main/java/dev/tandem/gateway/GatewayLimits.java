package dev.tandem.gateway;

import java.time.Duration;

/**
 * Bounds of the gateway.
 *
 * @param eventLoops threads that relay
 * @param maxBodyBytes largest request body; more is a 413
 * @param maxConcurrentRequests requests in flight; more get a 503 with {@code Retry-After}
 * @param silenceTimeout how long a node may send nothing: a long prefill is silent all the time
 * @param closeTimeout how long closing waits for requests in flight
 */
public record GatewayLimits(
        int eventLoops, int maxBodyBytes, int maxConcurrentRequests, Duration silenceTimeout, Duration closeTimeout) {
    /** 2 event loops, 64 MiB, 4,096 requests, 10 minutes, 3 seconds. */
    public static final GatewayLimits DEFAULT =
            new GatewayLimits(2, 64 << 20, 4096, Duration.ofMinutes(10), Duration.ofSeconds(3));
}
