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
 * @param silenceTimeout how long a node may send nothing: a long prefill is silent all the time
 * @param closeTimeout how long closing waits for requests in flight
 * @param maxConnections {@code --max-connections}: clients' connections; without it as many as descriptors and memory allow
 */
public record GatewayLimits(
        int eventLoops,
        int maxBodyBytes,
        int maxConcurrentRequests,
        Duration silenceTimeout,
        Duration closeTimeout,
        OptionalInt maxConnections) {
    /** A request calls two nodes. */
    private static final int DESCRIPTORS_PER_CONNECTION = 3;

    /** 2 event loops, 64 MiB, 4,096 requests, 10 minutes, 3 seconds. */
    public static final GatewayLimits DEFAULT =
            new GatewayLimits(2, 64 << 20, 4096, Duration.ofMinutes(10), Duration.ofSeconds(3));

    /** With as many connections as descriptors and memory allow. */
    public GatewayLimits(
            int eventLoops,
            int maxBodyBytes,
            int maxConcurrentRequests,
            Duration silenceTimeout,
            Duration closeTimeout) {
        this(eventLoops, maxBodyBytes, maxConcurrentRequests, silenceTimeout, closeTimeout, OptionalInt.empty());
    }

    ConnectionLimits connections() {
        return maxConnections.isPresent()
                ? ConnectionLimits.of(maxConnections.getAsInt())
                : ConnectionLimits.ofProcess(DESCRIPTORS_PER_CONNECTION);
    }
}
