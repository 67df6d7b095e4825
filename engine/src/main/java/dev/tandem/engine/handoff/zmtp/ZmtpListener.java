package dev.tandem.engine.handoff.zmtp;

import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import dev.tandem.trust.ConnectionsByHost;
import dev.tandem.trust.PeerHost;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Comparator;
import java.util.Objects;
import java.util.Optional;
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

    private static final Comparator<ZmtpConnection> LONGEST_SILENT_FIRST =
            (one, other) -> Long.signum(one.lastNs() - other.lastNs());

    private final ZmtpPoller poller;
    private final ServerSocketChannel channel;
    private final SelectionKey key;
    private final int port;
    private final Function<ZmtpConnection, ZmtpHandler> handlers;
    private final ConnectionsByHost<ZmtpConnection> connections = new ConnectionsByHost<>();

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
        return connections.count();
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
        connections.all().forEach(connection -> connection.close("this side has closed the port"));
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
            makeRoom(PeerHost.of(remote.getAddress()));
            var connection = new ZmtpConnection(poller, peer, remote, Optional.of(this), handlers);
            connections.add(PeerHost.of(remote.getAddress()), connection);
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

    private void makeRoom(String host) {
        ZmtpLimits.Crowd crowd = poller.limits().crowd();
        int own = connections.count(host);
        if (own >= crowd.perHost()) {
            refuse(
                    connections.ofHost(host, any -> true, LONGEST_SILENT_FIRST),
                    own + " connections of one host to port " + port);
        }
        if (connections.count() >= crowd.perListener()) {
            refuseOne(connections.count() + " connections to port " + port);
        }
        poller.makeRoom();
    }

    /** One of the host with the most connections goes. */
    void refuseOne(String crowd) {
        refuse(connections.ofLargest(any -> true, LONGEST_SILENT_FIRST), crowd);
    }

    private static void refuse(Optional<ZmtpConnection> silent, String crowd) {
        silent.ifPresent(connection ->
                connection.refuse(new ZmtpException(Kind.CROWDED, crowd + ", the most; this one was silent longest")));
    }

    /** A connection has ended. */
    void forget(ZmtpConnection connection) {
        connections.remove(PeerHost.of(connection.remote().getAddress()), connection);
    }
}
