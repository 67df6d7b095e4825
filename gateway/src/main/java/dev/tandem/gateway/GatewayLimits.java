package dev.tandem.gateway;

import java.time.Duration;

/**
 * Bounds of the gateway.
 *
 * @param eventLoops threads that relay
 * @param maxBodyBytes largest request body; more is a 413
 * @param maxConcurrentRequests requests in flight; more get a 503 with {@code Retry-After}
 * @param legs how long a call of a node may be silent
 * @param drainTimeout {@code --drain-timeout}: how long closing waits for requests in flight before it tells their clients
 */
public record GatewayLimits(
        int eventLoops, int maxBodyBytes, int maxConcurrentRequests, LegTimeouts legs, Duration drainTimeout) {
    /** 2 event loops, 64 MiB, 4,096 requests, the usual timeouts, 25 seconds. */
    public static final GatewayLimits DEFAULT =
            new GatewayLimits(2, 64 << 20, 4096, LegTimeouts.DEFAULT, Duration.ofSeconds(25));
}
