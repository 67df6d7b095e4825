package dev.tandem.gateway;

import dev.tandem.api.server.ConnectionLimits;
import java.time.Duration;
import java.util.OptionalInt;

/**
 * Bounds of the gateway.
 *
 * @param eventLoops threads that relay
 * @param maxBodyBytes largest request body; more is a 413
 * @param maxConcurrentRequests requests in flight; more get a 503 with {@code Retry-After}
 * @param legs how long a call of a node may be silent
 * @param drainTimeout {@code --drain-timeout}: how long closing waits for requests in flight before it tells their clients
 * @param maxConnections {@code --max-connections}: clients' connections; without it as many as descriptors and memory allow
 */
public record GatewayLimits(
        int eventLoops,
        int maxBodyBytes,
        int maxConcurrentRequests,
        LegTimeouts legs,
        Duration drainTimeout,
        OptionalInt maxConnections) {
    /** A request calls two nodes. */
    private static final int DESCRIPTORS_PER_CONNECTION = 3;

    /** 2 event loops, 64 MiB, 4,096 requests, the usual timeouts, 25 seconds. */
    public static final GatewayLimits DEFAULT =
            new GatewayLimits(2, 64 << 20, 4096, LegTimeouts.DEFAULT, Duration.ofSeconds(25));

    /** With as many connections as descriptors and memory allow. */
    public GatewayLimits(
            int eventLoops, int maxBodyBytes, int maxConcurrentRequests, LegTimeouts legs, Duration drainTimeout) {
        this(eventLoops, maxBodyBytes, maxConcurrentRequests, legs, drainTimeout, OptionalInt.empty());
    }

    ConnectionLimits connections() {
        return maxConnections.isPresent()
                ? ConnectionLimits.of(maxConnections.getAsInt())
                : ConnectionLimits.ofProcess(DESCRIPTORS_PER_CONNECTION);
    }
}
