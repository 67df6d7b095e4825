package dev.tandem.transfer;

import com.sun.management.UnixOperatingSystemMXBean;
import dev.tandem.trust.PeerTrust;
import java.lang.management.ManagementFactory;
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
 * @param bounds what peers may take
 * @param trust who may ask and move
 */
public record TransferConfig(
        String host, Ports ports, Flow flow, boolean checksums, Timeouts timeouts, Bounds bounds, PeerTrust trust) {
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
        if (bounds.connections() < 1 || bounds.connectionsPerHost() < 1) {
            problems.add("connections " + bounds.connections() + " or connectionsPerHost " + bounds.connectionsPerHost()
                    + " is below 1");
        }
        if (bounds.guesses() < 1 || !bounds.guessInterval().isPositive()) {
            problems.add("guesses " + bounds.guesses() + " or guessInterval " + bounds.guessInterval() + " is below 1");
        }
        if (!problems.isEmpty()) {
            throw new IllegalArgumentException("transfer: " + String.join("; ", problems));
        }
    }

    /** Any free port for data, the usual bounds, no secret. */
    public TransferConfig(String host, int rpcPort, Flow flow, boolean checksums, Timeouts timeouts) {
        this(
                host,
                new Ports(rpcPort, 0),
                flow,
                checksums,
                timeouts,
                Bounds.of(Bounds.GUESS_INTERVAL),
                PeerTrust.everybody());
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

    /**
     * What peers, and strangers, may take of the data port.
     *
     * @param connections open at a time; beyond it those that nobody uses make room
     * @param connectionsPerHost of one host
     * @param guesses addresses that never were lent, for which one host may ask at once; then it is refused everything for a while
     * @param guessInterval in which it gets one more
     */
    public record Bounds(int connections, int connectionsPerHost, int guesses, Duration guessInterval) {
        /** The most connections, where the process may have so many. */
        public static final int MAX_CONNECTIONS = 1024;

        /** Guesses at once. A reader with stale addresses may spend one for each of its connections. */
        public static final int GUESSES = 64;

        /** With 2^28 places a stranger finds one lent block on average in 234 years. */
        public static final Duration GUESS_INTERVAL = Duration.ofSeconds(55);

        private static final int LEAST_CONNECTIONS = 16;

        /** At most a quarter of the descriptors that the process may have; one host gets half of that. */
        public static Bounds of(Duration guessInterval) {
            long quarter = MAX_CONNECTIONS;
            if (ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean system) {
                quarter = system.getMaxFileDescriptorCount() / 4;
            }
            int connections = Math.clamp(quarter, LEAST_CONNECTIONS, MAX_CONNECTIONS);
            return new Bounds(connections, connections / 2, GUESSES, guessInterval);
        }
    }

    /** Defaults for a host: a peer that hangs, or was cut off, costs ten seconds. */
    public static TransferConfig of(String host) {
        return new TransferConfig(
                host, 0, Flow.DEFAULT, true, new Timeouts(Duration.ofSeconds(5), Duration.ofSeconds(10)));
    }

    /** The same with another bound on the rate. */
    public TransferConfig withPace(long bytesPerSecond) {
        var paced = new Flow(flow.connectionsPerPeer(), flow.inFlightBytesPerPeer(), bytesPerSecond);
        return new TransferConfig(host, ports, paced, checksums, timeouts, bounds, trust);
    }

    /** The same with other bounds. */
    public TransferConfig with(Bounds other) {
        return new TransferConfig(host, ports, flow, checksums, timeouts, other, trust);
    }

    /** The same with other ports. */
    public TransferConfig with(Ports other) {
        return new TransferConfig(host, other, flow, checksums, timeouts, bounds, trust);
    }

    /** The same for other peers. */
    public TransferConfig with(PeerTrust other) {
        return new TransferConfig(host, ports, flow, checksums, timeouts, bounds, other);
    }
}
