package dev.tandem.transfer;

import dev.tandem.transfer.TransferException.Kind;
import dev.tandem.transfer.tcp.DataSocket;
import dev.tandem.transfer.tcp.Outbox;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.StatusFrame;
import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.InetSocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One kept connection to a peer's data port. Requests leave together, answers are read in the order of the requests, straight into the
 * memory that they are for. Owned by the poller.
 *
 * <p>While a body leaves, the answer is already looked for: a peer that refuses a write answers without reading it.
 */
final class ClientConnection implements Poller.ReadinessHandler {
    private static final Logger LOG = LoggerFactory.getLogger(ClientConnection.class);
    private static final long MAX_UNSENT_BYTES = 1 << 20;
    private static final int MAX_SCATTERED = 256;
    private static final int READS_PER_TURN = 16;
    private static final long IDLE_NS = 60_000_000_000L;

    private enum State {
        CONNECTING,
        PROVING, // each side shows the other that it knows the cluster's secret
        OPEN,
        RETIRING, // half-closed inside a body that was given up; answers to earlier requests still come
        CLOSED
    }

    private final Peer peer;
    private final PeerDialect dialect;
    private final SocketChannel channel;
    private final SelectionKey key;
    private final Arena arena = Arena.ofConfined();
    private final Frames frames = new Frames(arena);
    private final Outbox outbox = new Outbox();
    private final ArrayDeque<InFlightRequest> inFlight = new ArrayDeque<>(); // in the order of their answers
    private final ByteBuffer[] scatter = new ByteBuffer[MAX_SCATTERED + 4];
    private final @Nullable ConnectionProof proof; // where the peer wants one
    private State state = State.CONNECTING;
    private long inFlightBytes;
    private long finishedExchanges;
    private long lastProgressNs = System.nanoTime();

    private ClientConnection(Peer peer, PeerDialect dialect, SocketChannel channel, @Nullable ConnectionProof proof)
            throws IOException {
        this.proof = proof;
        this.peer = peer;
        this.dialect = dialect;
        this.channel = channel;
        this.key = peer.poller().watch(channel, SelectionKey.OP_CONNECT, this);
    }

    /** Begins to connect; {@link Peer#connected} or {@link Peer#connectFailed} follows, never from inside this call. */
    static ClientConnection open(Peer peer, PeerDialect dialect, Handshakes.Described described) throws IOException {
        InetSocketAddress address = described.dataAddress();
        SocketChannel channel = SocketChannel.open();
        try {
            DataSocket.prepare(channel);
            ClientConnection connection = new ClientConnection(
                    peer,
                    dialect,
                    channel,
                    described.wantsProof() ? new ConnectionProof(peer.trust().secret(), peer.name()) : null);
            if (channel.connect(address)) {
                connection.key.interestOps(SelectionKey.OP_READ);
                peer.poller().execute(connection::finishConnect);
            }
            peer.poller().sweepBy(connection.deadlineNs());
            return connection;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e instanceof IOException known ? known : new IOException("cannot connect to " + address, e);
        }
    }

    @Override
    public void ready(SelectionKey readyKey) throws IOException {
        if (state == State.CONNECTING) {
            if (channel.finishConnect()) {
                finishConnect();
            }
            return;
        }
        if (state == State.PROVING) {
            prove();
            return;
        }
        if (readyKey.isReadable()) {
            receive();
        }
        if (state != State.CLOSED && readyKey.isWritable()) {
            flush();
        }
        peer.pump();
    }

    @Override
    public void failed(Exception cause) {
        if (isConnecting()) {
            close();
            peer.connectFailed(cause);
        } else if (state != State.CLOSED) {
            lost(cause);
        }
    }

    /** Whether another request may be given to it. */
    boolean hasRoom() {
        return state == State.OPEN
                && inFlight.size() < dialect.depth()
                && outbox.waitingBytes() < MAX_UNSENT_BYTES
                && !isSpent();
    }

    boolean isConnecting() {
        return state == State.CONNECTING || state == State.PROVING;
    }

    boolean isIdle() {
        return state == State.OPEN && inFlight.isEmpty();
    }

    long inFlightBytes() {
        return inFlightBytes;
    }

    /** Queues a request; {@link #flush} sends it. */
    void send(PostedTransfer.Request request) {
        PostedTransfer transfer = request.transfer();
        Opcode opcode = transfer.isWrite() ? dialect.write() : dialect.read();
        ByteBuffer payload = Views.of(transfer.spans().local(), request.localOffset(), request.bytes());
        Frames.Slot slot = frames.next();
        InFlightRequest exchange = new InFlightRequest(request, opcode, payload, slot);
        long start = outbox.queuedBytes();
        outbox.add(slot.header(request, opcode));
        if (opcode.isWrite()) {
            addBody(opcode, payload, slot);
        }
        exchange.queued(start, outbox.queuedBytes());
        if (inFlight.isEmpty()) {
            lastProgressNs = System.nanoTime();
            peer.poller().sweepBy(deadlineAfterProgress());
        }
        inFlight.add(exchange);
        inFlightBytes += request.bytes();
        peer.counters().increment(TransferCounter.REQUESTS);
    }

    private void addBody(Opcode opcode, ByteBuffer payload, Frames.Slot slot) {
        if (opcode.hasChecksum()) {
            CRC32C sum = new CRC32C();
            sum.update(payload.duplicate());
            outbox.add(payload);
            outbox.add(slot.trailer().putInt(0, (int) sum.getValue()));
        } else {
            outbox.add(payload);
        }
    }

    /** Writes what is queued. If the peer has closed, what it sent last is read first: they may be a refusal. */
    void flush() {
        if (state != State.OPEN) {
            return;
        }
        try {
            if (outbox.writeTo(channel, peer.poller().pace()) > 0) {
                lastProgressNs = System.nanoTime();
            }
            finishUnanswered();
            settleInterest();
        } catch (IOException e) {
            readLastWords(e);
        } catch (RuntimeException e) {
            lost(e); // the caller's memory was closed under the transfer
        }
    }

    /** Gives up the exchanges of a transfer that is over; after this nothing here touches its memory. */
    void abandon(PostedTransfer transfer) {
        if (state != State.OPEN && state != State.RETIRING) {
            return;
        }
        if (!transfer.isWrite()) {
            for (InFlightRequest exchange : inFlight) {
                if (exchange.transfer() == transfer) {
                    exchange.discard();
                }
            }
        } else if (hasUnsentOf(transfer)) {
            dropUnsent(transfer);
        }
    }

    /** Closes at a deadline, else gives the next one; what the pace held back goes on with the pump that follows. */
    long sweep(long nowNs) {
        long deadlineNs = deadlineNs();
        if (deadlineNs == Long.MAX_VALUE || nowNs - deadlineNs < 0) {
            return deadlineNs;
        }
        if (isConnecting()) {
            close();
            peer.connectFailed(new SocketTimeoutException("connect timed out"));
        } else if (inFlight.isEmpty()) {
            close();
        } else {
            List<InFlightRequest> orphans = close();
            for (InFlightRequest exchange : orphans) {
                peer.fail(
                        exchange.transfer(),
                        Kind.TIMED_OUT,
                        "no byte for " + peer.progressMillis() + " ms" + where(exchange));
            }
        }
        return Long.MAX_VALUE;
    }

    /** Closes the socket; gives what was in flight, in order. */
    List<InFlightRequest> close() {
        if (state == State.CLOSED) {
            return List.of();
        }
        state = State.CLOSED;
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("data connection did not close cleanly: {}", e.toString());
        }
        arena.close();
        List<InFlightRequest> orphans = new ArrayList<>(inFlight);
        inFlight.clear();
        peer.released(inFlightBytes);
        inFlightBytes = 0;
        peer.forget(this);
        return orphans;
    }

    private void finishConnect() {
        if (state != State.CONNECTING) {
            return;
        }
        lastProgressNs = System.nanoTime();
        if (proof != null) {
            state = State.PROVING;
            prove();
        } else {
            opened();
        }
    }

    /** A few bytes in each direction: what the socket does not take or have at once comes with its next readiness. */
    private void prove() {
        ConnectionProof owed = Objects.requireNonNull(proof);
        try {
            if (owed.advance(channel)) {
                opened();
            } else {
                key.interestOps(owed.isWriting() ? SelectionKey.OP_WRITE : SelectionKey.OP_READ);
            }
        } catch (IOException e) {
            failed(e);
        }
    }

    private void opened() {
        state = State.OPEN;
        key.interestOps(SelectionKey.OP_READ);
        lastProgressNs = System.nanoTime();
        peer.counters().increment(TransferCounter.CONNECTIONS_OPENED);
        peer.connected();
    }

    private void receive() throws IOException {
        for (int i = 0; i < READS_PER_TURN && state != State.CLOSED; i++) {
            int count = targets();
            if (count == 0) {
                expectSilence();
                return;
            }
            long asked = 0;
            for (int t = 0; t < count; t++) {
                asked += scatter[t].remaining();
            }
            long n = channel.read(scatter, 0, count);
            if (n < 0) {
                throw new EOFException("closed by the peer");
            }
            if (n == 0) {
                return;
            }
            lastProgressNs = System.nanoTime();
            settleAnswers();
            if (n < asked) {
                return;
            }
        }
    }

    /** The places of the next answers, in stream order. */
    private int targets() {
        int count = 0;
        Iterator<InFlightRequest> waiting = inFlight.iterator();
        while (waiting.hasNext() && count < MAX_SCATTERED) {
            count = waiting.next().addTargets(scatter, count, peer.scratch());
            if (count < 0) {
                return -count;
            }
        }
        return count;
    }

    /** Nothing is owed to us: only the end of the stream may come. */
    private void expectSilence() throws IOException {
        int n = channel.read(peer.scratch().clear());
        if (n < 0) {
            if (!inFlight.isEmpty()) {
                throw new EOFException("closed by the peer");
            }
            close();
            if (finishedExchanges == 1) {
                noteOneShot();
            }
        } else if (n > 0) {
            throw new IOException(n + " bytes that nobody asked for");
        }
    }

    private void settleAnswers() {
        while (!inFlight.isEmpty() && state != State.CLOSED) {
            InFlightRequest head = inFlight.peek();
            head.sumArrived();
            if (!head.hasStatus()) {
                return;
            }
            boolean isEarly = head.opcode().isWrite() && outbox.writtenBytes() < head.sendEnd();
            int code = head.statusCode();
            if (!head.isStatusFrame()) {
                broken(
                        head,
                        Kind.CORRUPT,
                        "the answer is not a status frame: the peer speaks protocol v1 or something else");
            } else if (code == StatusFrame.CHECKSUM_MISMATCH && head.opcode().hasChecksum() && !isEarly) {
                finish(
                        head,
                        new TransferException(Kind.CORRUPT, "peer received other bytes than were sent" + where(head)));
            } else if (code != StatusFrame.OK) {
                broken(head, Kind.REJECTED, "peer refuses the address, code " + code);
            } else if (isEarly) {
                broken(head, Kind.CORRUPT, "peer acknowledged a write before it was sent");
            } else if (head.isAnswered()) {
                finish(
                        head,
                        head.isIntact() || head.transfer().isOver()
                                ? null
                                : new TransferException(Kind.CORRUPT, "checksum differs" + where(head)));
            } else {
                return;
            }
        }
        if (state == State.RETIRING && inFlight.isEmpty()) {
            close();
        }
    }

    private void finish(InFlightRequest head, @Nullable TransferException failure) {
        inFlight.remove();
        release(head);
        finishedExchanges++;
        lastProgressNs = System.nanoTime();
        if (failure != null) {
            peer.fail(head.transfer(), failure);
        } else if (!head.transfer().isOver()) {
            peer.moved(
                    head.request(), head.opcode().hasStatus() || !head.opcode().isWrite());
        }
        if (inFlight.isEmpty() && state == State.OPEN) {
            if (isSpent()) {
                close();
            } else {
                peer.poller().sweepBy(deadlineNs());
            }
        }
    }

    /** Writes of protocol v1 end when the socket has taken them. */
    private void finishUnanswered() {
        while (!inFlight.isEmpty()
                && inFlight.peek().opcode() == Opcode.WRITE_V1
                && inFlight.peek().sendEnd() <= outbox.writtenBytes()) {
            finish(inFlight.peek(), null);
        }
    }

    /** The connection is over because of this answer; those behind it never reached the peer's memory and are asked again. */
    private void broken(InFlightRequest head, Kind kind, String message) {
        inFlight.remove();
        release(head);
        List<InFlightRequest> orphans = close();
        if (kind == Kind.CORRUPT) {
            peer.distrustDescriptor();
        }
        peer.fail(head.transfer(), kind, message + where(head));
        for (InFlightRequest orphan : orphans) {
            peer.repeat(orphan.request());
        }
    }

    private void lost(Exception cause) {
        boolean wasInUse = finishedExchanges > 0;
        if (dialect.depth() > 1) {
            peer.distrustDescriptor();
        } else if (finishedExchanges == 1) {
            peer.closedAfterOneExchange();
        }
        List<InFlightRequest> orphans = close();
        // One caller that frees its memory breaks the connection for all: the others are asked again.
        boolean isOurFault =
                orphans.stream().anyMatch(orphan -> !orphan.transfer().isLocalAlive());
        for (InFlightRequest orphan : orphans) {
            if (!orphan.transfer().isLocalAlive()) {
                peer.fail(orphan.transfer(), Kind.CANCELLED, Peer.LOCAL_FREED);
            } else if (isOurFault || (wasInUse && orphan.isUntouched())) {
                peer.repeat(orphan.request()); // a kept connection may be closed any time between two exchanges
            } else {
                peer.fail(orphan.transfer(), lostIn(orphan, cause));
            }
        }
        peer.pump();
    }

    private TransferException lostIn(InFlightRequest exchange, Exception cause) {
        PostedTransfer transfer = exchange.transfer();
        String progress = transfer.movedBytes() + " of " + transfer.totalBytes() + " bytes" + where(exchange);
        return new TransferException(
                Kind.PEER_GONE,
                "connection to " + peer.name() + " lost after " + progress + ": " + cause.getMessage(),
                cause);
    }

    /** A peer that closes may have said why: what it sent before is still to be read. */
    private void readLastWords(IOException cause) {
        try {
            for (int i = 0; i < READS_PER_TURN && state == State.OPEN && !inFlight.isEmpty(); i++) {
                receive();
            }
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        if (state != State.CLOSED) {
            lost(cause);
        }
    }

    private void noteOneShot() {
        if (dialect.depth() == 1) {
            peer.closedAfterOneExchange();
        }
    }

    private boolean hasUnsentOf(PostedTransfer transfer) {
        for (InFlightRequest exchange : inFlight) {
            if (exchange.transfer() == transfer && exchange.sendEnd() > outbox.writtenBytes()) {
                return true;
            }
        }
        return false;
    }

    /**
     * Takes a write's bodies out of the outbox. A body that has gone in part cannot be taken back: the stream ends inside it, which the
     * peer takes for a lost connection, after it has answered what came before.
     */
    private void dropUnsent(PostedTransfer transfer) {
        long written = outbox.writtenBytes();
        long boundary = written;
        boolean isInside = false;
        for (InFlightRequest exchange : inFlight) {
            if (exchange.sendStart() < written && written < exchange.sendEnd()) {
                isInside = exchange.transfer() == transfer;
                boundary = isInside ? written : exchange.sendEnd();
            }
        }
        outbox.truncate(boundary);
        int dropped = 0;
        while (!inFlight.isEmpty() && inFlight.peekLast().sendEnd() > boundary) {
            InFlightRequest last = inFlight.removeLast();
            release(last);
            peer.repeat(last.request());
            dropped++;
        }
        frames.giveBack(dropped);
        if (isInside) {
            retire();
        }
    }

    private void retire() {
        state = State.RETIRING;
        try {
            channel.shutdownOutput();
            settleInterest();
        } catch (IOException e) {
            LOG.debug("half-close failed: {}", e.toString());
        }
        if (inFlight.isEmpty()) {
            close();
        }
    }

    private void release(InFlightRequest exchange) {
        inFlightBytes -= exchange.request().bytes();
        peer.released(exchange.request().bytes());
    }

    private void settleInterest() {
        if (state != State.OPEN && state != State.RETIRING) {
            return;
        }
        boolean isHeldBack = !outbox.isEmpty() && peer.poller().pace().holdsBack(System.nanoTime());
        int wanted = SelectionKey.OP_READ | (outbox.isEmpty() || isHeldBack ? 0 : SelectionKey.OP_WRITE);
        if (key.interestOps() != wanted) {
            key.interestOps(wanted);
        }
        if (isHeldBack) {
            peer.poller().sweepBy(peer.poller().pace().resumeNs(System.nanoTime()));
        }
    }

    /** Whether the peer is known to close after one exchange, and has had it. */
    boolean isSpent() {
        return peer.isOneShot() && finishedExchanges > 0;
    }

    private long deadlineNs() {
        return switch (state) {
            case CONNECTING, PROVING -> lastProgressNs + peer.connectNs();
            case OPEN, RETIRING -> inFlight.isEmpty() ? lastProgressNs + IDLE_NS : deadlineAfterProgress();
            case CLOSED -> Long.MAX_VALUE;
        };
    }

    private long deadlineAfterProgress() {
        return lastProgressNs + peer.progressNs();
    }

    private static String where(InFlightRequest exchange) {
        PostedTransfer.Request request = exchange.request();
        long at = request.spanOffset() + exchange.arrivedBytes();
        return " (span " + request.span() + " of " + exchange.transfer().spans().spans() + ", byte " + at + ")";
    }
}
