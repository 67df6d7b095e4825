package dev.tandem.transfer;

import java.time.Duration;

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
