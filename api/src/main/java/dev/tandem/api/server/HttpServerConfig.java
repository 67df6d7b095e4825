package dev.tandem.api.server;

import java.util.ArrayList;
import java.util.List;

/**
 * Where a server listens and how much it takes on.
 *
 * @param host the only address that is bound: a name or a literal
 * @param port 0 takes any free port
 * @param eventLoops threads that do the network's work
 * @param maxBodyBytes largest request body; more is a 413
 * @param maxConcurrentExchanges requests in flight; more get a 503 with {@code Retry-After}; 64 more GETs are admitted, for status
 * @param limits bounds on single clients
 * @param connections bounds on connections
 */
public record HttpServerConfig(
        String host,
        int port,
        int eventLoops,
        int maxBodyBytes,
        int maxConcurrentExchanges,
        HttpLimits limits,
        ConnectionLimits connections) {
    /** A connection of a client, and one that the process opens for it. */
    private static final int DESCRIPTORS_PER_CONNECTION = 2;

    /** Checks the values; all problems are reported together. */
    public HttpServerConfig {
        List<String> problems = new ArrayList<>();
        if (host.isBlank()) {
            problems.add("host is empty");
        }
        if (port < 0 || port > 65_535) {
            problems.add("port " + port + " is not within 0..65535");
        }
        if (eventLoops < 1) {
            problems.add("eventLoops " + eventLoops + " is below 1");
        }
        if (maxBodyBytes < 1) {
            problems.add("maxBodyBytes " + maxBodyBytes + " is below 1");
        }
        if (maxConcurrentExchanges < 1) {
            problems.add("maxConcurrentExchanges " + maxConcurrentExchanges + " is below 1");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException(String.join("; ", problems));
        }
    }

    /** With {@link HttpLimits#DEFAULT}. */
    public HttpServerConfig(String host, int port, int eventLoops, int maxBodyBytes, int maxConcurrentExchanges) {
        this(host, port, eventLoops, maxBodyBytes, maxConcurrentExchanges, HttpLimits.DEFAULT);
    }

    /** With as many connections as the process has room for. */
    public HttpServerConfig(
            String host, int port, int eventLoops, int maxBodyBytes, int maxConcurrentExchanges, HttpLimits limits) {
        this(
                host,
                port,
                eventLoops,
                maxBodyBytes,
                maxConcurrentExchanges,
                limits,
                ConnectionLimits.ofProcess(DESCRIPTORS_PER_CONNECTION));
    }
}
