package dev.tandem.preflight.network;

import dev.tandem.transfer.TransferConfig;
import dev.tandem.transfer.TransferEngine;
import dev.tandem.transfer.tool.TransferTarget;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.security.SecureRandom;
import java.util.List;

/** What a node offers to be measured: the deployment's ports, a clock, and memory that peers may read with the transfer engine. */
public final class NetworkHost implements AutoCloseable {
    /** Bytes that peers read, again and again. */
    static final long TARGET_BYTES = 16 << 20;

    private final PortListeners ports;
    private final ClockServer clock;
    private final TransferTarget target;
    private final ClusterSecret secret;
    private final Offer offer;

    private NetworkHost(
            PortListeners ports, ClockServer clock, TransferTarget target, ClusterSecret secret, Offer offer) {
        this.secret = secret;
        this.ports = ports;
        this.clock = clock;
        this.target = target;
        this.offer = offer;
    }

    /**
     * What peers are told.
     *
     * @param host this node's address
     * @param ports that are listened on
     * @param token that each of them says
     * @param clockPort port of the clock
     * @param segment name of the memory
     */
    public record Offer(String host, List<Integer> ports, long token, int clockPort, String segment) {
        public Offer {
            ports = List.copyOf(ports);
        }
    }

    /**
     * @param secret that peers must know to be answered
     * @throws UncheckedIOException when the address is not this machine's
     */
    public static NetworkHost open(String host, List<Integer> ports, ClusterSecret secret) {
        long token = new SecureRandom().nextLong();
        try {
            InetAddress address = InetAddress.getByName(host);
            PortListeners listeners =
                    PortListeners.open(address, ports, token); // named ports before those that may be any
            ClockServer clock = ClockServer.open(address, secret);
            TransferTarget target = TransferTarget.open(
                    TransferConfig.of(host).with(new PeerTrust(secret, AddressList.empty())), TARGET_BYTES);
            return new NetworkHost(
                    listeners,
                    clock,
                    target,
                    secret,
                    new Offer(
                            host,
                            listeners.open(),
                            token,
                            clock.port(),
                            target.engine().segmentName()));
        } catch (IOException e) {
            throw new UncheckedIOException("nothing can listen on " + host + ": " + e.getMessage(), e);
        }
    }

    public Offer offer() {
        return offer;
    }

    public PortListeners ports() {
        return ports;
    }

    ClusterSecret secret() {
        return secret;
    }

    /** The engine that also reads from peers. */
    TransferEngine engine() {
        return target.engine();
    }

    @Override
    public void close() {
        ports.close();
        clock.close();
        target.close();
    }
}
