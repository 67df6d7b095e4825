package dev.tandem.engine.cluster.channel;

import dev.tandem.engine.cluster.channel.FrameChannel.FrameHandler;
import dev.tandem.trust.ConnectionsByHost;
import dev.tandem.trust.LogPause;
import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Accepts connections at one address, a bounded number at a time. Its thread accepts and does nothing else; each connection has threads of
 * its own.
 */
public final class FrameListener implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FrameListener.class);
    private static final int BACKLOG = 128;
    private static final Duration PAUSE = Duration.ofMillis(50);
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(5);

    private final ServerSocket listening;
    private final ChannelLimits limits;
    private final int maxConnections;
    private final Function<FrameChannel, FrameHandler> handler;
    private final Thread accepting;
    private final LogPause refusals = new LogPause(FrameChannel.REFUSALS_PAUSE);
    /**
     * Guarded by itself: the accepting thread adds and makes room, each connection's reader removes itself, {@link #close} ends those that are
     * left.
     */
    private final ConnectionsByHost<FrameChannel> open = new ConnectionsByHost<>();

    private FrameListener(
            ServerSocket listening,
            ChannelLimits limits,
            int maxConnections,
            Function<FrameChannel, FrameHandler> handler) {
        this.listening = listening;
        this.limits = limits;
        this.maxConnections = maxConnections;
        this.handler = handler;
        this.accepting = Thread.ofPlatform()
                .name("tandem-cluster-accept-" + listening.getLocalPort())
                .daemon()
                .unstarted(this::accept);
    }

    /**
     * Listens from now on.
     *
     * @param address bound as it is; port 0 for any
     * @param maxConnections open at a time; for one more the oldest gives way that has not said who it is, of the host with the most
     * @param handler makes the handler of each connection
     * @throws IOException naming the address when it cannot be bound
     */
    public static FrameListener start(
            InetSocketAddress address,
            ChannelLimits limits,
            int maxConnections,
            Function<FrameChannel, FrameHandler> handler)
            throws IOException {
        var listening = new ServerSocket();
        try {
            listening.bind(address, BACKLOG);
        } catch (IOException e) {
            listening.close();
            throw new IOException("cannot listen at " + FrameChannel.describe(address) + ": " + e.getMessage(), e);
        }
        var listener = new FrameListener(listening, limits, maxConnections, handler);
        listener.accepting.start();
        return listener;
    }

    /** The port that is listened at. */
    public int port() {
        return listening.getLocalPort();
    }

    /** Frees the port and ends every connection. */
    @Override
    public void close() {
        try {
            listening.close();
        } catch (IOException e) {
            LOG.warn("cluster port={} did not close: {}", port(), e.toString());
        }
        ThreadEnd.await(accepting, JOIN_LIMIT);
        all().forEach(FrameChannel::close);
    }

    private void accept() {
        while (!listening.isClosed()) {
            try {
                serve(listening.accept());
            } catch (IOException | RuntimeException | Error e) { // one connection that fails does not end the port
                all().stream()
                        .filter(FrameChannel::isClosed)
                        .forEach(this::forget); // it may have been added and then not started
                if (!listening.isClosed()) {
                    refusals.due()
                            .ifPresent(more ->
                                    LOG.warn("cluster port={} could not accept: {}{}", port(), e.toString(), more));
                    pause(); // out of descriptors or threads, most likely: asking again at once would spin
                }
            }
        }
    }

    private void serve(Socket socket) throws IOException {
        if (!hasRoom()) {
            refusals.due()
                    .ifPresent(more -> LOG.warn(
                            "cluster port={} closes peer={}: {} connections are open, as many as may be{}",
                            port(),
                            socket.getRemoteSocketAddress(),
                            maxConnections,
                            more));
            socket.close();
            return;
        }
        FrameChannel channel = FrameChannel.open(socket, limits, refusals, this::counted);
        if (listening.isClosed()) {
            channel.close(); // close() may have looked already
        }
    }

    /** Whether one more fits, if need be in the place of one that has not said who it is. */
    private boolean hasRoom() {
        Optional<FrameChannel> unknown;
        synchronized (open) {
            if (open.count() < maxConnections) {
                return true;
            }
            unknown = open.ofLargest(channel -> !channel.isTrusted(), (_, _) -> 0);
        }
        unknown.ifPresent(channel -> {
            forget(channel);
            channel.close("it has not said who it is, and others come");
        });
        return unknown.isPresent();
    }

    private List<FrameChannel> all() {
        synchronized (open) {
            return open.all();
        }
    }

    private void forget(FrameChannel channel) {
        synchronized (open) {
            open.remove(channel.host(), channel);
        }
    }

    /** The connection's own handler, and the set is kept. */
    private FrameHandler counted(FrameChannel channel) {
        FrameHandler own = handler.apply(channel);
        synchronized (open) {
            open.add(channel.host(), channel);
        }
        return new FrameHandler() {
            @Override
            public void received(FrameKind kind, ByteBuffer body) throws FrameException {
                own.received(kind, body);
            }

            @Override
            public void closed(String cause) {
                forget(channel);
                own.closed(cause);
            }
        };
    }

    private static void pause() {
        try {
            Thread.sleep(PAUSE);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
