package dev.tandem.engine.handoff.zmtp;

import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A port of ours and the connections that peers have to it. Where there are too many, the longest silent one of whoever has the most goes:
 * a ZeroMQ socket that needs it connects again by itself, and nobody shuts others out by being there first. Owned by the poller's thread.
 */
public final class ZmtpListener {
    private static final Logger LOG = LoggerFactory.getLogger(ZmtpListener.class);
    private static final int BACKLOG = 1024;
    private static final int ACCEPTS_PER_TURN = 64; // then others get their turn

    private final ZmtpPoller poller;
    private final ServerSocketChannel channel;
    private final SelectionKey key;
    private final int port;
    private final Function<ZmtpConnection, ZmtpHandler> handlers;
    private final Map<InetAddress, Set<ZmtpConnection>> byHost = new HashMap<>();
    private int connections;

    /** Takes the bound channel over. */
    ZmtpListener(ZmtpPoller poller, ServerSocketChannel channel, Function<ZmtpConnection, ZmtpHandler> handlers)
            throws IOException {
        this.poller = poller;
        this.channel = channel;
        this.handlers = handlers;
        this.port = channel.socket().getLocalPort();
        channel.configureBlocking(false);
        this.key = poller.watch(channel, SelectionKey.OP_ACCEPT, this);
    }

    /**
     * Takes a port, for {@link ZmtpPoller#listen}.
     *
     * @param address bound exactly; port 0 for any
     * @throws IOException when it cannot be bound
     */
    public static ServerSocketChannel bind(InetSocketAddress address) throws IOException {
        ServerSocketChannel channel = ServerSocketChannel.open();
        try {
            channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            return channel.bind(address, BACKLOG);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** The port that it listens on. */
    public int port() {
        return port;
    }

    /** Connections that are open. */
    int connections() {
        return connections;
    }

    /** Frees the port and ends its connections. */
    public void close() {
        poller.forget(this);
        key.cancel();
        try {
            channel.close();
        } catch (IOException e) {
            LOG.warn("side channel port={} did not close: {}", port, e.toString());
        }
        for (Set<ZmtpConnection> host : List.copyOf(byHost.values())) {
            List.copyOf(host).forEach(connection -> connection.close("this side has closed the port"));
        }
    }

    /** Takes those that knock; when that fails, most likely because descriptors have run out, nobody is taken for a while. */
    void ready() {
        try {
            for (int accepted = 0; accepted < ACCEPTS_PER_TURN; accepted++) {
                SocketChannel peer = channel.accept();
                if (peer == null) {
                    return;
                }
                admit(peer);
            }
        } catch (IOException | RuntimeException | Error e) {
            if (channel.isOpen()) {
                pause(e);
            }
        }
    }

    private void pause(Throwable cause) {
        long nowNs = System.nanoTime();
        poller.refusals().paused(port, cause, nowNs);
        key.interestOps(0);
        poller.resumeAccepting(
                this, nowNs + poller.limits().times().acceptPause().toNanos());
    }

    /** The pause is over. */
    void resume() {
        if (key.isValid()) {
            key.interestOps(SelectionKey.OP_ACCEPT);
        }
    }

    private void admit(SocketChannel peer) throws IOException {
        boolean isTaken = false;
        try {
            var remote = (InetSocketAddress) Objects.requireNonNull(peer.getRemoteAddress());
            makeRoom(remote.getAddress());
            var connection = new ZmtpConnection(poller, peer, remote, Optional.of(this), handlers);
            byHost.computeIfAbsent(remote.getAddress(), host -> new HashSet<>()).add(connection);
            connections++;
            poller.opened(connection);
            isTaken = true;
            connection.greet();
        } catch (IOException gone) { // before it was taken: its own affair
            LOG.debug("side channel port={}: a peer has gone: {}", port, gone.toString());
        } finally {
            if (!isTaken) {
                peer.close();
            }
        }
    }

    private void makeRoom(InetAddress host) {
        ZmtpLimits.Crowd crowd = poller.limits().crowd();
        Set<ZmtpConnection> own = byHost.getOrDefault(host, Set.of());
        if (own.size() >= crowd.perHost()) {
            refuseLongestSilent(own, own.size() + " connections of one host to port " + port);
        }
        if (connections >= crowd.perListener()) {
            refuseOne(connections + " connections to port " + port);
        }
        poller.makeRoom();
    }

    /** One of the host with the most connections goes. */
    void refuseOne(String crowd) {
        Set<ZmtpConnection> most = Set.of();
        for (Set<ZmtpConnection> host : byHost.values()) {
            if (host.size() > most.size()) {
                most = host;
            }
        }
        refuseLongestSilent(most, crowd);
    }

    private static void refuseLongestSilent(Set<ZmtpConnection> connections, String crowd) {
        ZmtpConnection silent = null;
        for (ZmtpConnection connection : connections) {
            if (silent == null || connection.lastNs() - silent.lastNs() < 0) {
                silent = connection;
            }
        }
        if (silent != null) {
            silent.refuse(new ZmtpException(Kind.CROWDED, crowd + ", the most; this one was silent longest"));
        }
    }

    /** A connection has ended. */
    void forget(ZmtpConnection connection) {
        Set<ZmtpConnection> host = byHost.get(connection.remote().getAddress());
        if (host != null && host.remove(connection)) {
            connections--;
            if (host.isEmpty()) {
                byHost.remove(connection.remote().getAddress());
            }
        }
    }
}
