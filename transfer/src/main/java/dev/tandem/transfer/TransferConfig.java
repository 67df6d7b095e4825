package dev.tandem.transfer;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Settings of one transfer engine.
 *
 * @param host address that both listeners bind and that peers are told; never a wildcard
 * @param rpcPort handshake port, 0 for any free one
 * @param connectionsPerPeer persistent data connections to one peer
 * @param inFlightBytesPerPeer bound on bytes asked for and not yet here
 * @param checksums offer CRC32C to peers that understand it
 * @param timeouts deadlines
 */
public record TransferConfig(
        String host,
        int rpcPort,
        int connectionsPerPeer,
        long inFlightBytesPerPeer,
        boolean checksums,
        Timeouts timeouts) {
    private static final int MAX_PORT = 65_535;
    private static final int MAX_CONNECTIONS = 64;
    private static final long MIN_IN_FLIGHT_BYTES = 1 << 20;

    public TransferConfig {
        List<String> problems = new ArrayList<>();
        if (host.isBlank()) {
            problems.add("host is empty");
        }
        if (rpcPort < 0 || rpcPort > MAX_PORT) {
            problems.add("rpcPort " + rpcPort + " is not 0 to " + MAX_PORT);
        }
        if (connectionsPerPeer < 1 || connectionsPerPeer > MAX_CONNECTIONS) {
            problems.add("connectionsPerPeer " + connectionsPerPeer + " is not 1 to " + MAX_CONNECTIONS);
        }
        if (inFlightBytesPerPeer < MIN_IN_FLIGHT_BYTES) {
            problems.add("inFlightBytesPerPeer " + inFlightBytesPerPeer + " is below " + MIN_IN_FLIGHT_BYTES);
        }
        if (!timeouts.connect().isPositive() || !timeouts.progress().isPositive()) {
            problems.add("timeouts " + timeouts + " are not positive");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("transfer: " + String.join("; ", problems));
        }
    }

    /**
     * @param connect to open a connection
     * @param progress longest silence while bytes are owed
     */
    public record Timeouts(Duration connect, Duration progress) {}

    /** Defaults for a host. */
    public static TransferConfig of(String host) {
        return new TransferConfig(
                host, 0, 4, 64L << 20, true, new Timeouts(Duration.ofSeconds(5), Duration.ofSeconds(30)));
    }
}
