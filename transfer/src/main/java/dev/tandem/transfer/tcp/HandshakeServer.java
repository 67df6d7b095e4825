package dev.tandem.transfer.tcp;

import dev.tandem.transfer.wire.HandshakeFrame;
import dev.tandem.transfer.wire.WireException;
import dev.tandem.trust.ConnectionsByHost;
import dev.tandem.trust.LogPause;
import dev.tandem.trust.PeerHost;
import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The handshake port. Each connection has a virtual thread and a short deadline; when too many are open, the oldest of the
 * host that has the most is closed for the newest, so that idle probes block nobody.
 */
public final class HandshakeServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HandshakeServer.class);
    private static final int BACKLOG = 512;
    private static final Duration CLOSE_DEADLINE = Duration.ofSeconds(5);
    private static final Duration LOG_PAUSE = Duration.ofSeconds(1);

    /**
     * @param readDeadline for the whole request; the same again for the client to close after the reply
     * @param maxConnections open at a time
     * @param maxFrameBytes longest request
     */
    public record Limits(Duration readDeadline, int maxConnections, int maxFrameBytes) {
        // A process that starves takes seconds for its first frame; whoever says nothing so long makes room for others.
        private static final Duration READ_DEADLINE = Duration.ofSeconds(10);

        /** What the engine uses beside so many data connections: an eighth of them. */
        public static Limits beside(int dataConnections) {
            return new Limits(READ_DEADLINE, Math.max(8, dataConnections / 8), HandshakeFrame.DEFAULT_MAX_BYTES);
        }
    }

    /** Begins a conversation with a peer: what gives the answers to its requests. Any thread, several at a time. */
    public interface Responder extends Function<InetSocketAddress, Function<HandshakeFrame, Answer>> {}

    /**
     * What a request is answered with.
     *
     * @param frame empty closes the connection without one
     * @param isLast whether another request may follow
     */
    public record Answer(Optional<HandshakeFrame> frame, boolean isLast) {
        /** Closes the connection. */
        public static final Answer NONE = new Answer(Optional.empty(), true);

        public static Answer last(HandshakeFrame frame) {
            return new Answer(Optional.of(frame), true);
        }

        public static Answer last(Optional<HandshakeFrame> frame) {
            return new Answer(frame, true);
        }

        public static Answer more(HandshakeFrame frame) {
            return new Answer(Optional.of(frame), false);
        }
    }

    private static final int MAX_REQUESTS = 2; // of one connection

    private final ServerSocket listening;
    private final Limits limits;
    private final Responder responder;
    private final Thread accepting;
    // Guarded by itself: added to by the accepting thread, which makes room, and left by each connection's own.
    private final ConnectionsByHost<Socket> open = new ConnectionsByHost<>();
    private final LogPause refusals = new LogPause(LOG_PAUSE);
    private final LogPause faults = new LogPause(LOG_PAUSE);

    private HandshakeServer(ServerSocket listening, Limits limits, Responder responder) {
        this.listening = listening;
        this.limits = limits;
        this.responder = responder;
        this.accepting = Thread.ofVirtual()
                .name("handshake-accept-" + listening.getLocalPort())
                .unstarted(this::accept);
    }

    /** Binds now, accepts after {@link #start}. */
    public static HandshakeServer bind(InetSocketAddress address, Limits limits, Responder responder)
            throws IOException {
        ServerSocket listening = new ServerSocket();
        try {
            listening.bind(address, BACKLOG);
        } catch (IOException e) {
            listening.close();
            throw new IOException("cannot listen at " + address + ": " + e.getMessage(), e);
        }
        return new HandshakeServer(listening, limits, responder);
    }

    public int port() {
        return listening.getLocalPort();
    }

    public void start() {
        accepting.start();
    }

    /** When it returns, the port is free: the thread that waits on it holds it until it has noticed. */
    @Override
    public void close() throws IOException {
        listening.close();
        ThreadEnd.await(accepting, CLOSE_DEADLINE);
        List<Socket> left;
        synchronized (open) {
            left = open.all();
        }
        for (Socket socket : left) {
            socket.close();
        }
    }

    /** Whether somebody accepts: asked by health checks. */
    public boolean isRunning() {
        return accepting.isAlive();
    }

    private void accept() {
        boolean isPaused = false; // one line per shortage, however long it lasts
        while (!listening.isClosed()) {
            try {
                Socket socket = listening.accept();
                isPaused = false;
                opened(socket).ifPresent(HandshakeServer::makeRoom);
                Thread.ofVirtual().name("handshake-" + port()).start(() -> serve(socket));
            } catch (IOException | RuntimeException | Error e) { // one connection that fails does not end the port
                if (!listening.isClosed()) {
                    if (!isPaused) {
                        LOG.warn("handshake port={} could not accept, goes on trying: {}", port(), e.toString());
                    }
                    isPaused = true;
                    pause();
                }
            }
        }
    }

    /** Counts a connection; gives the one that makes room for it. */
    private Optional<Socket> opened(Socket socket) {
        synchronized (open) {
            Optional<Socket> oldest =
                    open.count() < limits.maxConnections() ? Optional.empty() : open.ofLargest(_ -> true, (_, _) -> 0);
            oldest.ifPresent(each -> open.remove(PeerHost.of(each.getInetAddress()), each));
            open.add(PeerHost.of(socket.getInetAddress()), socket);
            return oldest;
        }
    }

    private static void makeRoom(Socket oldest) {
        try {
            oldest.close(); // its thread ends with that
        } catch (IOException e) {
            LOG.debug("handshake did not close cleanly: {}", e.toString());
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            socket.setTcpNoDelay(true);
            var conversation = responder.apply((InetSocketAddress) socket.getRemoteSocketAddress());
            for (int i = 0; i < MAX_REQUESTS; i++) {
                HandshakeFrame request = FrameSocket.read(socket, limits.readDeadline(), limits.maxFrameBytes());
                Answer answer = conversation.apply(request);
                if (answer.frame().isEmpty()) {
                    return;
                }
                FrameSocket.write(socket, answer.frame().get());
                if (answer.isLast()) {
                    FrameSocket.awaitClose(socket, limits.readDeadline());
                    return;
                }
            }
        } catch (WireException e) {
            refusals.due()
                    .ifPresent(more -> LOG.info(
                            "handshake refused peer={}: {}{}", socket.getRemoteSocketAddress(), e.getMessage(), more));
        } catch (IOException e) {
            LOG.debug("handshake ended peer={}: {}", socket.getRemoteSocketAddress(), e.toString());
        } catch (RuntimeException e) {
            faults.due()
                    .ifPresent(more -> LOG.error(
                            "handshake failed by a fault of ours peer={}{}", socket.getRemoteSocketAddress(), more, e));
        } finally {
            synchronized (open) {
                open.remove(PeerHost.of(socket.getInetAddress()), socket);
            }
        }
    }

    /** Out of descriptors: give them time to come back instead of asking again at once. */
    private static void pause() {
        try {
            Thread.sleep(Duration.ofMillis(20));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
