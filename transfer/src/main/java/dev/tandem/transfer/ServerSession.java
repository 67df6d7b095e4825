package dev.tandem.transfer;

import dev.tandem.transfer.tcp.Outbox;
import dev.tandem.transfer.tcp.Poller;
import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.ProofFrames;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.transfer.wire.StatusFrame;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.Wire;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves one data connection of a peer: requests one behind the other, answered in order, v1 and v2 as each header says. Payload goes
 * between the socket and the regions without a copy, except for what arrives in the same read as a header. Owned by the poller.
 *
 * <p>Where the peer must prove that it knows the cluster's secret, {@link SessionProof} comes first.
 *
 * <p>A request for addresses that may not be touched is answered with the refusal (v2) or nothing (v1), and then the connection is closed;
 * its body is not read. The close waits {@link #LINGER_NS}, because closing a socket that holds unread bytes resets the connection, and a
 * reset may overtake the answers before it.
 *
 * <p>A peer that trickles makes no progress: a header must be whole within the time that a silence may last, and a body or an answer must
 * move {@link #LEAST_PROGRESS_BYTES} in it.
 */
final class ServerSession implements Poller.ReadinessHandler {
    private static final Logger LOG = LoggerFactory.getLogger(ServerSession.class);
    private static final int INPUT_BYTES = 64 << 10;
    private static final int MAX_WAITING_BUFFERS = 1024;
    private static final long MAX_WAITING_BYTES = 1 << 20;
    private static final int TRAILERS = 1024;
    private static final long READ_BYTES_PER_TURN = 8 << 20;
    private static final long LINGER_NS = 100_000_000;
    private static final long PROOF_NS = 5_000_000_000L; // until a peer has proved itself
    // Behind a body this long the next read takes no more than the next header, so that the next body is not copied.
    private static final int LARGE_BODY_BYTES = 16 << 10;
    private static final int NEXT_HEADER_BYTES = RequestHeader.BYTES;
    private static final int LEAST_PROGRESS_BYTES = 4 << 10;
    private static final long NO_HEAD = Long.MIN_VALUE;

    private enum State {
        SERVING,
        REFUSED, // the answers before the refusal are still leaving
        LINGERING, // half-closed, waiting for the peer to close
        CLOSED
    }

    /** A reply's access, open until the socket has taken the stream up to here. */
    private record Lent(Region.Access access, long endPosition) {}

    private final DataServer owner;
    private final SocketChannel channel;
    private final String party; // whom leases are bound to
    private final String host; // whose guesses and connections are counted together
    private final SelectionKey key;
    private final Arena arena = Arena.ofConfined();
    private final ByteBuffer input = arena.allocate(INPUT_BYTES).asByteBuffer();
    private final ByteBuffer frames = arena.allocate(3L * StatusFrame.BYTES).asByteBuffer(); // one of each code
    private final ByteBuffer trailers = arena.allocate((long) TRAILERS * Opcode.CHECKSUM_BYTES)
            .asByteBuffer()
            .order(ByteOrder.LITTLE_ENDIAN);
    private final Outbox outbox = new Outbox();
    private final ArrayDeque<Lent> lent = new ArrayDeque<>();
    private int inputStart;
    private int inputEnd;
    private int nextTrailer;
    private boolean isBodyLarge;
    private @Nullable IncomingWrite incoming;
    private @Nullable SessionProof proof; // until it is given
    private boolean isProven; // who has proved the secret guesses nothing
    private State state = State.SERVING;
    private final long beganNs = System.nanoTime();
    private long lastProgressNs = beganNs;
    private long movedBytes; // since lastProgressNs
    private long headSinceNs = NO_HEAD; // when the first byte of a header came whose end has not

    /**
     * @param party the peer's address, until a peer can say who it is: what leases are bound to
     * @param host as {@link dev.tandem.trust.PeerHost} has it
     */
    ServerSession(DataServer owner, SocketChannel channel, String party, String host) throws IOException {
        this.owner = owner;
        this.channel = channel;
        this.party = party;
        this.host = host;
        for (int code = 0; code <= StatusFrame.CHECKSUM_MISMATCH; code++) {
            StatusFrame.encode(frames, code * StatusFrame.BYTES, code);
        }
        InetSocketAddress peer = (InetSocketAddress) channel.getRemoteAddress();
        if (owner.trust().mustProve(peer.getAddress())) {
            proof = new SessionProof(owner.trust().secret(), peer.toString());
        }
        this.key = owner.poller().watch(channel, SelectionKey.OP_READ, this);
        if (proof != null) {
            owner.poller().sweepBy(deadlineNs());
        }
    }

    @Override
    public void ready(SelectionKey readyKey) throws IOException {
        if (state == State.SERVING) {
            work(!readyKey.isReadable());
        } else {
            flush();
        }
        if (state != State.CLOSED) {
            settleInterest();
        }
    }

    @Override
    public void failed(Exception cause) {
        if (state != State.CLOSED) {
            LOG.debug("data session peer={} ended: {}", channel.socket().getRemoteSocketAddress(), cause.toString());
            close();
        }
    }

    String host() {
        return host;
    }

    long lastProgressNs() {
        return lastProgressNs;
    }

    /** Whether closing hurts nobody: nothing is owed in either direction, or a header that is not coming. */
    boolean isUnused(long nowNs, long headGraceNs) {
        return state == State.SERVING
                && !isMoving()
                && (inputEnd == inputStart || (hasHalfHead() && nowNs - headSinceNs >= headGraceNs));
    }

    /** Whether a read or write inside a region is under way. */
    boolean holds(Region region) {
        if (incoming != null && RegionTable.isInside(incoming.access(), region)) {
            return true;
        }
        for (Lent reply : lent) {
            if (RegionTable.isInside(reply.access(), region)) {
                return true;
            }
        }
        return false;
    }

    /** Closes when a deadline has passed, else gives the next one. */
    long sweep(long nowNs) {
        if (state != State.CLOSED && !outbox.isEmpty() && (key.interestOps() & SelectionKey.OP_WRITE) == 0) {
            resume();
        }
        long deadlineNs = deadlineNs();
        if (deadlineNs == Long.MAX_VALUE || nowNs - deadlineNs < 0) {
            return deadlineNs;
        }
        if (proof != null && state == State.SERVING) {
            owner.refuse(PeerTrust.noProof(Wire.DATA, "" + channel.socket().getRemoteSocketAddress()));
        } else if (state == State.SERVING || state == State.REFUSED) {
            if (isMoving()) {
                LOG.warn(
                        "data session peer={} stalled, closed", channel.socket().getRemoteSocketAddress());
            } else { // half a header: anybody can send that
                LOG.debug(
                        "data session peer={} stalled, closed", channel.socket().getRemoteSocketAddress());
            }
            owner.counters().increment(TransferCounter.SESSIONS_STALLED);
        }
        close();
        return Long.MAX_VALUE;
    }

    /** Closes the socket first: after that nothing touches the memory that the accesses hold. */
    void close() {
        if (state == State.CLOSED) {
            return;
        }
        state = State.CLOSED;
        try {
            channel.close();
        } catch (IOException e) {
            LOG.debug("data session did not close cleanly: {}", e.toString());
        }
        if (incoming != null) {
            incoming.access().close();
            incoming = null;
        }
        for (Lent reply = lent.poll(); reply != null; reply = lent.poll()) {
            reply.access().close();
        }
        arena.close();
        owner.forget(this);
    }

    private void work(boolean isInputDrained) throws IOException {
        long budget = READ_BYTES_PER_TURN;
        boolean isDrained = isInputDrained;
        while (true) {
            serveInput();
            flush();
            if (state != State.SERVING || isFull()) {
                return;
            }
            if (incoming == null && inputEnd - inputStart >= requestBytes()) {
                continue; // the flush has made room for requests that are here already
            }
            if (isDrained || budget <= 0) {
                return;
            }
            long asked = prepareRead();
            long n = incoming == null ? channel.read(input) : incoming.read(channel, input);
            if (n < 0) {
                close(); // at a header: the peer is done; inside a body: it is gone and nobody waits
                return;
            }
            inputEnd = input.position();
            if (incoming != null) {
                moved(n);
            }
            budget -= n;
            isDrained = n < asked;
        }
    }

    /** Sets the input up for appending; gives the bytes that the next read may bring. */
    private long prepareRead() {
        if (inputStart > 0) {
            input.limit(inputEnd).position(inputStart);
            input.compact();
            inputEnd -= inputStart;
            inputStart = 0;
        }
        int limit = isBodyLarge ? Math.max(NEXT_HEADER_BYTES, inputEnd) : INPUT_BYTES;
        input.limit(limit).position(inputEnd);
        return limit - inputEnd + (incoming == null ? 0 : incoming.missingBytes());
    }

    private void serveInput() {
        while (state == State.SERVING && !isFull()) {
            if (incoming != null) {
                inputStart += incoming.take(input, inputStart, inputEnd);
                if (incoming.missingBytes() > 0) {
                    return;
                }
                finishWrite(incoming);
            } else if (inputEnd - inputStart < requestBytes()) {
                if (inputEnd > inputStart && headSinceNs == NO_HEAD) {
                    headSinceNs = System.nanoTime();
                }
                return;
            } else if (proof != null) {
                int at = inputStart;
                inputStart += requestBytes();
                headSinceNs = NO_HEAD;
                prove(proof.take(input, at));
            } else {
                int at = inputStart;
                inputStart += RequestHeader.BYTES;
                headSinceNs = NO_HEAD;
                begin(RequestHeader.opcode(input, at), RequestHeader.address(input, at), RequestHeader.size(input, at));
            }
        }
    }

    /** Bytes of the next request that must be here before it is looked at. */
    private int requestBytes() {
        boolean isToProve = proof != null
                && inputEnd - inputStart >= RequestHeader.BYTES
                && RequestHeader.opcode(input, inputStart).isOfProof();
        return isToProve ? ProofFrames.REQUEST_BYTES : RequestHeader.BYTES;
    }

    private void prove(SessionProof.Outcome outcome) {
        switch (outcome) {
            case SessionProof.Outcome.Answer answer -> outbox.add(answer.frame());
            case SessionProof.Outcome.Proven proven -> {
                proof = null;
                isProven = true;
                outbox.add(proven.frame());
            }
            case SessionProof.Outcome.Refused refused -> {
                owner.refuse(refused.why());
                outbox.add(frame(StatusFrame.REJECTED));
                state = State.REFUSED;
            }
        }
    }

    private void begin(Opcode opcode, long address, long size) {
        Region.Operation operation = opcode.isWrite() ? Region.Operation.WRITE : Region.Operation.READ;
        long nowNs = System.nanoTime();
        if (!isProven && owner.guesses().isSpent(host, nowNs)) {
            owner.counters().increment(TransferCounter.BLOCKED_REQUESTS);
            refuse(opcode);
            return;
        }
        Region.Access access;
        try {
            access = owner.regions().open(address, size, operation, party);
        } catch (TransferException e) {
            tellRefusal(opcode, e, !owner.regions().wasOpen(address, size));
            refuse(opcode);
            return;
        }
        owner.counters().increment(TransferCounter.SERVED_REQUESTS);
        lastProgressNs = nowNs;
        movedBytes = 0;
        isBodyLarge = opcode.isWrite() && size >= LARGE_BODY_BYTES;
        try {
            if (opcode.isWrite()) {
                incoming = IncomingWrite.of(opcode, access, size);
            } else {
                reply(opcode, access, size);
            }
        } catch (RuntimeException e) {
            access.close();
            throw e;
        }
    }

    private void reply(Opcode opcode, Region.Access access, long size) {
        List<ByteBuffer> payload = Views.of(access);
        CRC32C sum = new CRC32C();
        if (opcode.hasStatus()) {
            outbox.add(frame(StatusFrame.OK));
        }
        for (ByteBuffer view : payload) {
            if (opcode.hasChecksum()) {
                sum.update(view.duplicate());
            }
            outbox.add(view);
        }
        if (opcode.hasChecksum()) {
            outbox.add(trailer((int) sum.getValue()));
        }
        lent.add(new Lent(access, outbox.queuedBytes()));
        owner.counters().add(TransferCounter.SERVED_READ_BYTES, size);
    }

    private void finishWrite(IncomingWrite write) {
        incoming = null;
        write.access().close();
        boolean isIntact = write.isIntact();
        if (isIntact) {
            owner.counters().add(TransferCounter.SERVED_WRITE_BYTES, write.payloadBytes());
        } else {
            owner.counters().increment(TransferCounter.SERVED_CHECKSUM_ERRORS);
        }
        if (write.opcode().hasStatus()) {
            outbox.add(frame(isIntact ? StatusFrame.OK : StatusFrame.CHECKSUM_MISMATCH));
        }
    }

    /** Guesses are rare, because they are limited; a late reader may be late often, so only its counter is for operators. */
    private void tellRefusal(Opcode opcode, TransferException cause, boolean isGuess) {
        owner.counters().increment(TransferCounter.REFUSED_REQUESTS);
        if (!isGuess) {
            LOG.debug("refused peer={} opcode={}: {}", party, opcode, cause.getMessage());
            return;
        }
        owner.counters().increment(TransferCounter.GUESSED_REQUESTS);
        LOG.info("refused peer={} opcode={}: {}", party, opcode, cause.getMessage());
        if (!isProven && owner.guesses().guessed(host, System.nanoTime())) {
            LOG.warn(
                    "host {} has asked for too many addresses that were never lent: whatever it asks for is refused for"
                            + " a while",
                    host);
        }
    }

    private void refuse(Opcode opcode) {
        if (opcode.hasStatus()) {
            outbox.add(frame(StatusFrame.REJECTED));
        }
        state = State.REFUSED;
    }

    private void flush() throws IOException {
        moved(outbox.writeTo(channel, owner.poller().pace()));
        while (!lent.isEmpty() && lent.peek().endPosition() <= outbox.writtenBytes()) {
            lent.remove().access().close();
        }
        if (state == State.REFUSED && outbox.isEmpty()) {
            channel.shutdownOutput();
            state = State.LINGERING;
            lastProgressNs = System.nanoTime();
        }
    }

    private void settleInterest() {
        int reading = state == State.SERVING && !isFull() ? SelectionKey.OP_READ : 0;
        boolean isHeldBack = isHeldBack();
        int writing = outbox.isEmpty() || isHeldBack ? 0 : SelectionKey.OP_WRITE;
        if (key.interestOps() != (reading | writing)) {
            key.interestOps(reading | writing);
        }
        long deadlineNs = deadlineNs();
        if (deadlineNs != Long.MAX_VALUE) {
            owner.poller().sweepBy(deadlineNs);
        }
        if (isHeldBack) {
            owner.poller().sweepBy(owner.poller().pace().resumeNs(System.nanoTime()));
        }
    }

    private boolean isHeldBack() {
        return !outbox.isEmpty() && owner.poller().pace().holdsBack(System.nanoTime());
    }

    /** Goes on with what the pace held back. */
    private void resume() {
        try {
            if (state == State.SERVING) {
                work(true);
            } else {
                flush();
            }
            if (state != State.CLOSED) {
                settleInterest();
            }
        } catch (IOException e) {
            failed(e);
        }
    }

    private long deadlineNs() {
        return switch (state) {
            case SERVING, REFUSED -> proof != null ? beganNs + PROOF_NS : owedByNs();
            case LINGERING -> lastProgressNs + LINGER_NS;
            case CLOSED -> Long.MAX_VALUE;
        };
    }

    private long owedByNs() {
        if (isMoving()) {
            return lastProgressNs + owner.progressNs();
        }
        return hasHalfHead() ? headSinceNs + owner.progressNs() : Long.MAX_VALUE;
    }

    /** Whether a body is coming or an answer going. */
    private boolean isMoving() {
        return incoming != null || !outbox.isEmpty();
    }

    private boolean hasHalfHead() {
        return incoming == null && headSinceNs != NO_HEAD;
    }

    /** Bytes went or came: progress, unless they are a trickle. */
    private void moved(long bytes) {
        movedBytes += bytes;
        if (bytes > 0 && (movedBytes >= LEAST_PROGRESS_BYTES || !isMoving())) {
            lastProgressNs = System.nanoTime();
            movedBytes = 0;
        }
    }

    private boolean isFull() {
        return outbox.waitingBytes() >= MAX_WAITING_BYTES || outbox.waitingBuffers() >= MAX_WAITING_BUFFERS;
    }

    private ByteBuffer frame(int code) {
        return frames.slice(code * StatusFrame.BYTES, StatusFrame.BYTES);
    }

    /** A slot is used again long after the outbox, which holds fewer buffers than there are slots, has let it go. */
    private ByteBuffer trailer(int sum) {
        int offset = (nextTrailer++ & TRAILERS - 1) * Opcode.CHECKSUM_BYTES;
        trailers.putInt(offset, sum);
        return trailers.slice(offset, Opcode.CHECKSUM_BYTES);
    }
}
