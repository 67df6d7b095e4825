package dev.tandem.transfer;

import dev.tandem.counter.Counters;
import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One peer as we see it: its descriptor, our connections to it, and the transfers that wait for them. Transfers take turns, so that a long
 * one does not hold up a short one. Owned by the poller; the handshake runs on a virtual thread and posts its result.
 */
final class Peer {
    private static final Logger LOG = LoggerFactory.getLogger(Peer.class);
    // A connection with this much in flight is busy: open the next one, if there may be one.
    private static final long BUSY_BYTES = 4 << 20;
    // What a transfer may queue before it is another one's turn.
    private static final int TURN_BYTES = 1 << 20;
    private static final int TURN_REQUESTS = 64;
    // After a further connection was refused, the ones that there are must do for a while.
    private static final long CONNECT_PAUSE_NS = 1_000_000_000L;
    static final String LOCAL_FREED = "its caller freed the local memory before it was done";
    private static final long FORGET_AFTER_NS = 120_000_000_000L;

    private final String name;
    private final PeerTable owner;
    private final Set<PostedTransfer> active = new LinkedHashSet<>();
    private final ArrayDeque<PostedTransfer> waiting = new ArrayDeque<>(); // active ones with unsent requests
    private final List<ClientConnection> connections = new ArrayList<>();
    private Handshakes.@Nullable Described described;
    private boolean isHandshaking;
    private boolean isReached; // by a connection, with this descriptor
    private boolean isOneShot; // a connection serves one exchange
    private boolean isPumping;
    private boolean isPumpAsked;
    private long inFlightBytes;
    private long noConnectBeforeNs = System.nanoTime();
    private long lastUseNs = System.nanoTime();

    Peer(String name, PeerTable owner) {
        this.name = name;
        this.owner = owner;
    }

    void post(PostedTransfer transfer) {
        lastUseNs = System.nanoTime();
        active.add(transfer);
        waiting.add(transfer);
        owner.poller().sweepBy(transfer.deadlineNs());
        pump();
    }

    /** Gives waiting requests to connections, and sees to it that there are some. */
    void pump() {
        if (isPumping) {
            isPumpAsked = true;
            return;
        }
        isPumping = true;
        try {
            do {
                isPumpAsked = false;
                closeSpent();
                isPumpAsked |= assign(); // what the sockets take at once makes room for more
                for (ClientConnection connection : new ArrayList<>(connections)) {
                    connection.flush();
                }
            } while (isPumpAsked);
        } finally {
            isPumping = false;
        }
    }

    /** Gives requests to connections while there is room; true if any went. */
    private boolean assign() {
        boolean isAnySent = false;
        while (!waiting.isEmpty()) {
            if (!waiting.peek().hasUnsent()) {
                waiting.remove();
                continue;
            }
            Handshakes.Described known = described;
            if (known == null) {
                handshake();
                return isAnySent;
            }
            boolean isUnanswered =
                    known.descriptor().tcp().version() < 2 && waiting.peek().isWrite();
            if (isUnanswered && !isOneShot) {
                isOneShot = true; // what a kept connection swallows while the peer closes it would be lost unseen
                closeSpent();
            }
            ClientConnection best = leastLoaded();
            if ((best == null || best.inFlightBytes() >= BUSY_BYTES)
                    && connections.size() < owner.config().flow().connectionsPerPeer()) {
                connect(known);
            }
            if (best == null || !hasBudget()) {
                return isAnySent;
            }
            isAnySent = true;
            turn(best, waiting.remove());
        }
        return isAnySent;
    }

    private void turn(ClientConnection connection, PostedTransfer transfer) {
        if (!transfer.isLocalAlive()) {
            fail(transfer, Kind.CANCELLED, LOCAL_FREED);
            return;
        }
        int bytes = 0;
        for (int i = 0; i < TURN_REQUESTS && bytes < TURN_BYTES; i++) {
            if (!transfer.hasUnsent() || !connection.hasRoom() || !hasBudget()) {
                break;
            }
            PostedTransfer.Request request = transfer.next();
            bytes += request.bytes();
            inFlightBytes += request.bytes();
            connection.send(request);
        }
        if (transfer.hasUnsent()) {
            waiting.add(transfer);
        }
    }

    private boolean hasBudget() {
        return inFlightBytes == 0
                || inFlightBytes + PostedTransfer.MAX_REQUEST_BYTES
                        <= owner.config().flow().inFlightBytesPerPeer();
    }

    private @Nullable ClientConnection leastLoaded() {
        ClientConnection best = null;
        for (ClientConnection connection : connections) {
            if (connection.hasRoom() && (best == null || connection.inFlightBytes() < best.inFlightBytes())) {
                best = connection;
            }
        }
        return best;
    }

    private void closeSpent() {
        if (isOneShot) {
            for (ClientConnection connection : new ArrayList<>(connections)) {
                if (connection.isIdle() && connection.isSpent()) {
                    connection.close();
                }
            }
        }
    }

    private void connect(Handshakes.Described known) {
        if (System.nanoTime() - noConnectBeforeNs < 0) {
            return;
        }
        for (ClientConnection connection : connections) {
            if (connection.isConnecting()) {
                return;
            }
        }
        PeerDialect dialect = PeerDialect.of(known.descriptor(), owner.config().checksums());
        try {
            connections.add(ClientConnection.open(this, dialect, known));
        } catch (IOException e) {
            connectFailed(e);
        }
    }

    void connected() {
        isReached = true;
        pump();
    }

    /**
     * A port that was reached before and is not any more belongs to a peer that may have come back elsewhere: ask again where. Otherwise it
     * is gone.
     */
    void connectFailed(Exception cause) {
        if (!connections.isEmpty()) {
            LOG.info("no further connection peer={}: {}", name, cause.toString());
            noConnectBeforeNs = System.nanoTime() + CONNECT_PAUSE_NS;
            return;
        }
        boolean mayHaveMoved = isReached;
        distrustDescriptor();
        if (mayHaveMoved) {
            pump();
        } else {
            Kind kind = cause instanceof SocketTimeoutException ? Kind.TIMED_OUT : Kind.PEER_GONE;
            failAll(kind, "cannot connect to the data port of " + name + ": " + cause.getMessage(), cause);
        }
    }

    /** The next transfer asks the peer again what it offers and where. */
    void distrustDescriptor() {
        described = null;
        isReached = false;
        isOneShot = false;
    }

    private void handshake() {
        if (isHandshaking) {
            return;
        }
        isHandshaking = true;
        Thread.ofVirtual().name("handshake-with-" + name).start(() -> {
            try {
                Handshakes.Described fetched = owner.handshakes().fetch(name);
                owner.poller().execute(() -> handshakeDone(fetched, null));
            } catch (TransferException e) {
                owner.poller().execute(() -> handshakeDone(null, e));
            } catch (RuntimeException e) {
                LOG.error("handshake failed by a fault of ours peer={}", name, e);
                TransferException failure = new TransferException(Kind.PEER_GONE, "handshake failed", e);
                owner.poller().execute(() -> handshakeDone(null, failure));
            }
        });
    }

    private void handshakeDone(Handshakes.@Nullable Described fetched, @Nullable TransferException failure) {
        isHandshaking = false;
        described = fetched;
        if (failure != null) {
            for (PostedTransfer transfer : new ArrayList<>(waiting)) {
                fail(transfer, failure);
            }
        }
        pump();
    }

    /** An answer is here; the last one completes the transfer. */
    void moved(PostedTransfer.Request request, boolean isConfirmed) {
        PostedTransfer transfer = request.transfer();
        if (!transfer.moved(request, isConfirmed)) {
            return;
        }
        end(transfer);
        boolean isWrite = transfer.isWrite();
        counters().add(isWrite ? TransferCounter.WRITTEN_BYTES : TransferCounter.READ_BYTES, transfer.totalBytes());
        if (!transfer.isConfirmed()) {
            counters().increment(TransferCounter.UNCONFIRMED_TRANSFERS);
        }
        transfer.complete();
    }

    /** The connection was closed before the peer looked at this request. */
    void repeat(PostedTransfer.Request request) {
        PostedTransfer transfer = request.transfer();
        if (transfer.isOver()) {
            return;
        }
        counters().increment(TransferCounter.REPEATED_REQUESTS);
        transfer.repeat(request);
        if (!waiting.contains(transfer)) {
            waiting.add(transfer);
        }
    }

    void fail(PostedTransfer transfer, Kind kind, String message) {
        fail(transfer, new TransferException(kind, name + ": " + message));
    }

    /** Ends a transfer; first every connection lets go of its memory. */
    void fail(PostedTransfer transfer, TransferException cause) {
        if (transfer.isOver()) {
            return;
        }
        end(transfer);
        for (ClientConnection connection : new ArrayList<>(connections)) {
            connection.abandon(transfer);
        }
        counters().increment(TransferCounter.failed(cause.kind()));
        transfer.fail(cause);
        isPumpAsked = true;
    }

    private void failAll(Kind kind, String message, @Nullable Throwable cause) {
        for (PostedTransfer transfer : new ArrayList<>(active)) {
            fail(transfer, new TransferException(kind, message, cause));
        }
    }

    private void end(PostedTransfer transfer) {
        if (transfer.hasUnsent()) {
            waiting.remove(transfer);
        }
        transfer.end();
        active.remove(transfer);
        lastUseNs = System.nanoTime();
        owner.ended();
    }

    /** Looks at all deadlines; gives the next. */
    long sweep(long nowNs) {
        for (PostedTransfer transfer : new ArrayList<>(active)) {
            if (nowNs - transfer.deadlineNs() >= 0) {
                fail(
                        transfer,
                        Kind.TIMED_OUT,
                        "deadline passed after " + transfer.movedBytes() + " of " + transfer.totalBytes() + " bytes");
            }
        }
        long next = Long.MAX_VALUE;
        for (ClientConnection connection : new ArrayList<>(connections)) {
            next = Math.min(next, connection.sweep(nowNs));
        }
        pump();
        for (PostedTransfer transfer : active) {
            next = Math.min(next, transfer.deadlineNs());
        }
        return next;
    }

    /** Whether nothing is left that would be missed. */
    boolean isForgettable(long nowNs) {
        boolean isUnused = active.isEmpty() && connections.isEmpty() && !isHandshaking;
        return isUnused && (described == null || nowNs - lastUseNs > FORGET_AFTER_NS);
    }

    void close(Kind kind, String message, @Nullable Throwable cause) {
        for (ClientConnection connection : new ArrayList<>(connections)) {
            connection.close();
        }
        failAll(kind, message, cause);
    }

    /** The peer closes after each exchange, as Mooncake did up to 0.3.9. */
    void closedAfterOneExchange() {
        isOneShot = true;
    }

    boolean isOneShot() {
        return isOneShot;
    }

    void released(long bytes) {
        inFlightBytes -= bytes;
    }

    void forget(ClientConnection connection) {
        connections.remove(connection);
    }

    String name() {
        return name;
    }

    Poller poller() {
        return owner.poller();
    }

    Counters<TransferCounter> counters() {
        return owner.counters();
    }

    ByteBuffer scratch() {
        return owner.scratch();
    }

    PeerTrust trust() {
        return owner.config().trust();
    }

    long connectNs() {
        return owner.config().timeouts().connect().toNanos();
    }

    long progressNs() {
        return owner.config().timeouts().progress().toNanos();
    }

    long progressMillis() {
        return owner.config().timeouts().progress().toMillis();
    }
}
