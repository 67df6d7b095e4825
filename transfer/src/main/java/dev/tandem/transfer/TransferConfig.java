package dev.tandem.transfer;

import dev.tandem.trust.PeerTrust;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Settings of one transfer engine.
 *
 * @param host address that both listeners bind and that peers are told; never a wildcard
 * @param ports that both listeners bind
 * @param flow how much moves at once
 * @param checksums offer CRC32C to peers that understand it
 * @param timeouts deadlines
 * @param trust who may ask and move
 */
public record TransferConfig(
        String host, Ports ports, Flow flow, boolean checksums, Timeouts timeouts, PeerTrust trust) {
    private static final int MAX_PORT = 65_535;
    private static final int MAX_CONNECTIONS = 64;
    private static final long MIN_IN_FLIGHT_BYTES = 1 << 20;

    public TransferConfig {
        List<String> problems = new ArrayList<>();
        if (host.isBlank()) {
            problems.add("host is empty");
        }
        if (ports.handshake() < 0 || ports.handshake() > MAX_PORT) {
            problems.add("rpcPort " + ports.handshake() + " is not 0 to " + MAX_PORT);
        }
        if (ports.data() < 0 || ports.data() > MAX_PORT) {
            problems.add("dataPort " + ports.data() + " is not 0 to " + MAX_PORT);
        }
        if (flow.connectionsPerPeer() < 1 || flow.connectionsPerPeer() > MAX_CONNECTIONS) {
            problems.add("connectionsPerPeer " + flow.connectionsPerPeer() + " is not 1 to " + MAX_CONNECTIONS);
        }
        if (flow.inFlightBytesPerPeer() < MIN_IN_FLIGHT_BYTES) {
            problems.add("inFlightBytesPerPeer " + flow.inFlightBytesPerPeer() + " is below " + MIN_IN_FLIGHT_BYTES);
        }
        if (flow.bytesPerSecond() < 0) {
            problems.add("bytesPerSecond " + flow.bytesPerSecond() + " is below 0");
        }
        if (!timeouts.connect().isPositive() || !timeouts.progress().isPositive()) {
            problems.add("timeouts " + timeouts + " are not positive");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("transfer: " + String.join("; ", problems));
        }
    }

    /** Any free ports, no secret. */
    public TransferConfig(String host, int rpcPort, Flow flow, boolean checksums, Timeouts timeouts) {
        this(host, new Ports(rpcPort, 0), flow, checksums, timeouts, PeerTrust.everybody());
    }

    /**
     * @param handshake 0 for any free one
     * @param data the same
     */
    public record Ports(int handshake, int data) {}

    /**
     * @param connectionsPerPeer persistent data connections to one peer
     * @param inFlightBytesPerPeer bound on bytes asked for and not yet here
     * @param bytesPerSecond most that leave for all peers together; 0 for no bound
     */
    public record Flow(int connectionsPerPeer, long inFlightBytesPerPeer, long bytesPerSecond) {
        /** Four connections, 64 MiB, no bound on the rate. */
        public static final Flow DEFAULT = new Flow(4, 64L << 20, 0);
    }

    /**
     * @param connect to open a connection
     * @param progress longest silence while bytes are owed
     */
    public record Timeouts(Duration connect, Duration progress) {}

    /** Defaults for a host. */
    public static TransferConfig of(String host) {
        return new TransferConfig(
                host, 0, Flow.DEFAULT, true, new Timeouts(Duration.ofSeconds(5), Duration.ofSeconds(30)));
    }

    /** The same with another bound on the rate. */
    public TransferConfig withPace(long bytesPerSecond) {
        var paced = new Flow(flow.connectionsPerPeer(), flow.inFlightBytesPerPeer(), bytesPerSecond);
        return new TransferConfig(host, ports, paced, checksums, timeouts, trust);
    }

    /** The same with other ports. */
    public TransferConfig with(Ports other) {
        return new TransferConfig(host, other, flow, checksums, timeouts, trust);
    }

    /** The same for other peers. */
    public TransferConfig with(PeerTrust other) {
        return new TransferConfig(host, ports, flow, checksums, timeouts, other);
    }
}
