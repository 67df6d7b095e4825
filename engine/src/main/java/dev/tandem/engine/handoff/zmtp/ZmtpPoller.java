package dev.tandem.engine.handoff.zmtp;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.zmtp.ZmtpException.Kind;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/**
 * All ZeroMQ sockets of a process: waits until one of them is ready and lets it do its work, never waiting for one peer. What one peer does,
 * or what this side does wrong with it, ends its connection and no other. Owned by the thread that calls {@link #poll}, but for {@link
 * #wakeup}.
 */
public final class ZmtpPoller implements AutoCloseable {
    private static final long NANOS_PER_MILLI = 1_000_000;
    private static final int READ_BYTES = 16 << 10; // of one peer, before the next one's turn
    private static final long MAX_SLEEP_MILLIS = 60_000;
    private static final long NEVER = Long.MAX_VALUE;
    private static final long SWEEP_PAUSE_NS = 20 * NANOS_PER_MILLI; // between two looks at all deadlines

    private final Selector selector;
    private final ZmtpLimits limits;
    private final PeerTrust trust;
    private final PeerRefusals refusals;
    private final ByteBuffer readBuffer = ByteBuffer.allocateDirect(READ_BYTES);
    private final Set<ZmtpListener> listeners = new HashSet<>();
    private final Set<ZmtpConnection> connections = new HashSet<>(); // of both directions
    private final Map<ZmtpListener, Long> pauses = new HashMap<>(); // until when, of those that take nobody
    private int accepted; // of the connections
    private long heldBytes; // for all of them together
    private long lastSweepNs = System.nanoTime();
    private long nextSweepNs = NEVER;

    private ZmtpPoller(Selector selector, ZmtpLimits limits, PeerTrust trust, Counters<HandoffCounter> counters) {
        this.selector = selector;
        this.trust = trust;
        this.limits = limits;
        this.refusals = new PeerRefusals(counters, limits.times().logInterval());
    }

    /**
     * @param trust whom messages are exchanged with
     * @throws IOException when this process has no descriptor for it
     */
    public static ZmtpPoller open(ZmtpLimits limits, PeerTrust trust, Counters<HandoffCounter> counters)
            throws IOException {
        return new ZmtpPoller(Selector.open(), limits, trust, counters);
    }

    /** The earlier of two times, of which {@link Long#MAX_VALUE} is never. */
    public static long earlier(long oneNs, long otherNs) {
        if (oneNs == NEVER) {
            return otherNs;
        }
        return otherNs == NEVER || oneNs - otherNs < 0 ? oneNs : otherNs;
    }

    /**
     * Listens as a ROUTER: an answer goes to the connection that the question came from.
     *
     * @param bound by {@link ZmtpListener#bind}; closed when this fails
     * @param handlers makes the handler of each connection
     */
    public ZmtpListener listen(ServerSocketChannel bound, Function<ZmtpConnection, ZmtpHandler> handlers)
            throws IOException {
        try {
            var listener = new ZmtpListener(this, bound, handlers);
            listeners.add(listener);
            return listener;
        } catch (IOException | RuntimeException e) {
            bound.close();
            throw e;
        }
    }

    /**
     * Begins to connect as a REQ socket; the handler hears when messages may be sent, or that nobody is there.
     *
     * @param address resolved already: looking a name up would make every peer wait
     * @throws IOException when there is no way to that address, or no descriptor
     */
    public ZmtpConnection connect(InetSocketAddress address, Function<ZmtpConnection, ZmtpHandler> handlers)
            throws IOException {
        SocketChannel channel = SocketChannel.open();
        try {
            channel.configureBlocking(false);
            boolean isConnected = channel.connect(address);
            var connection = new ZmtpConnection(this, channel, address, Optional.empty(), handlers);
            opened(connection);
            if (isConnected) {
                connection.greet();
            }
            return connection;
        } catch (IOException | RuntimeException | Error e) {
            channel.close();
            throw e;
        }
    }

    /**
     * Waits until a socket is ready, {@link #wakeup} is called or the deadline comes, then lets all that are ready do their work.
     *
     * @param deadlineNs {@link Long#MIN_VALUE} not to wait, {@link Long#MAX_VALUE} to wait for sockets only
     */
    public void poll(long deadlineNs) throws IOException {
        if (deadlineNs == Long.MIN_VALUE) {
            selector.selectNow();
        } else {
            selector.select(sleepMillis(earlier(deadlineNs, nextSweepNs)));
        }
        Set<SelectionKey> ready = selector.selectedKeys();
        for (SelectionKey key : ready) {
            dispatch(key);
        }
        ready.clear();
        if (nextSweepNs != NEVER && System.nanoTime() - nextSweepNs >= 0) {
            sweep(System.nanoTime());
        }
    }

    /** Ends the wait of {@link #poll}, or of the next one. Any thread. */
    public void wakeup() {
        selector.wakeup();
    }

    /** Bytes that this process keeps for all peers together. */
    public long heldBytes() {
        return heldBytes;
    }

    /** Closes all sockets. */
    @Override
    public void close() {
        List.copyOf(listeners).forEach(ZmtpListener::close);
        List.copyOf(connections).forEach(connection -> connection.close("the side channel was closed"));
        try {
            selector.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the selector did not close", e);
        }
    }

    // Everything below is for the sockets of this poller.

    ZmtpLimits limits() {
        return limits;
    }

    PeerTrust trust() {
        return trust;
    }

    PeerRefusals refusals() {
        return refusals;
    }

    /** For one read; whoever reads takes what it wants to keep. */
    ByteBuffer readBuffer() {
        return readBuffer;
    }

    SelectionKey watch(SelectableChannel channel, int operations, Object socket) throws IOException {
        return channel.register(selector, operations, socket);
    }

    /** Makes sure that deadlines are looked at by then, or a little later: however many there are, that costs little. */
    void sweepBy(long deadlineNs) {
        if (deadlineNs != NEVER) {
            long soonestNs = lastSweepNs + SWEEP_PAUSE_NS;
            nextSweepNs = earlier(nextSweepNs, deadlineNs - soonestNs < 0 ? soonestNs : deadlineNs);
        }
    }

    void resumeAccepting(ZmtpListener listener, long atNs) {
        pauses.put(listener, atNs);
        sweepBy(atNs);
    }

    void opened(ZmtpConnection connection) {
        connections.add(connection);
        accepted += connection.listener().isPresent() ? 1 : 0;
    }

    void forget(ZmtpConnection connection) {
        if (connections.remove(connection)) {
            accepted -= connection.listener().isPresent() ? 1 : 0;
        }
    }

    void forget(ZmtpListener listener) {
        listeners.remove(listener);
        pauses.remove(listener);
    }

    /** When peers have as many connections as they may, one to the fullest port goes. */
    void makeRoom() {
        if (accepted < limits.crowd().connections()) {
            return;
        }
        ZmtpListener fullest = null;
        for (ZmtpListener listener : listeners) {
            if (fullest == null || listener.connections() > fullest.connections()) {
                fullest = listener;
            }
        }
        if (fullest != null) {
            fullest.refuseOne(accepted + " connections to all ports");
        }
    }

    /** A connection keeps that many bytes more. Where all keep too many, whoever keeps the most goes. */
    void account(int change) {
        heldBytes += change;
        if (change <= 0 || heldBytes <= limits.memory().totalBytes()) {
            return;
        }
        ZmtpConnection most = null;
        for (ZmtpConnection connection : connections) {
            if (most == null || connection.accountedBytes() > most.accountedBytes()) {
                most = connection;
            }
        }
        if (most != null) {
            most.refuse(new ZmtpException(
                    Kind.CROWDED,
                    heldBytes + " bytes of all peers, more than "
                            + limits.memory().totalBytes() + "; this one has the most, " + most.accountedBytes()));
        }
    }

    private static void dispatch(SelectionKey key) {
        if (!key.isValid()) {
            return;
        }
        try {
            switch (key.attachment()) {
                case ZmtpConnection connection -> connection.ready();
                case ZmtpListener listener -> listener.ready();
                default -> throw new IllegalStateException("a key of " + key.attachment());
            }
        } catch (CancelledKeyException closedMeanwhile) {
            key.cancel();
        }
    }

    private void sweep(long nowNs) {
        nextSweepNs = NEVER;
        lastSweepNs = nowNs;
        for (ZmtpConnection connection : List.copyOf(connections)) {
            sweepBy(connection.sweep(nowNs));
        }
        for (var pause : List.copyOf(pauses.entrySet())) {
            if (pause.getValue() - nowNs <= 0) {
                pauses.remove(pause.getKey());
                pause.getKey().resume();
            } else {
                sweepBy(pause.getValue());
            }
        }
    }

    /** At least 1 when there is a deadline ahead: rounding down would spin through the last millisecond. */
    private static long sleepMillis(long deadlineNs) {
        if (deadlineNs == NEVER) {
            return 0; // until something happens
        }
        long aheadNs = deadlineNs - System.nanoTime();
        return Math.clamp((aheadNs + NANOS_PER_MILLI - 1) / NANOS_PER_MILLI, 1, MAX_SLEEP_MILLIS);
    }
}
