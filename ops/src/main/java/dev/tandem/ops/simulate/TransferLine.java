package dev.tandem.ops.simulate;

import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** All that one simulated process reads from, and writes into, the memory of one peer: one connection, a few requests under way. */
final class TransferLine {
    static final int PIECE_BYTES = 256;
    static final long PROGRESS_NS = 10_000_000_000L; // the real engine's
    private static final long CONNECT_NS = 5_000_000_000L; // the real engine's
    private static final long IDLE_NS = 60_000_000_000L; // the real engine's
    private static final int REQUEST_BYTES = 1024;
    private static final int DEPTH = 4;
    private static final long TASK_NS = 5_000;

    /** One transfer. */
    private final class Posted implements Transfer {
        final SpanBatch spans;
        final Operation operation;
        final long beganNs = owner.host().nowNs();
        final CompletableFuture<Moved> done = new CompletableFuture<>();
        VirtualTime.@Nullable Event deadline;
        long movedBytes;
        boolean isOver;

        Posted(SpanBatch spans, Operation operation) {
            this.spans = spans;
            this.operation = operation;
        }

        @Override
        public CompletableFuture<Moved> done() {
            return done;
        }

        @Override
        public void cancel() {
            owner.host()
                    .after(
                            TASK_NS,
                            "transfer cancel",
                            () -> fail(this, new TransferException(Kind.CANCELLED, "cancelled")));
        }
    }

    /** A part of a span, as one exchange. */
    private static final class Request {
        final Posted transfer;
        final long localOffset;
        final long address;
        final int bytes;
        CRC32C sum = new CRC32C();
        int arrived;

        Request(Posted transfer, long localOffset, long address, int bytes) {
            this.transfer = transfer;
            this.localOffset = localOffset;
            this.address = address;
            this.bytes = bytes;
        }

        void beginAgain() {
            sum = new CRC32C();
            arrived = 0;
        }
    }

    private final SimulatedTransfers owner;
    private final String peer;
    private final Set<Posted> active = new LinkedHashSet<>();
    private final ArrayDeque<Request> waiting = new ArrayDeque<>();
    private final Map<Long, Request> inFlight = new LinkedHashMap<>(); // by id, in the order of sending
    private final ArrayDeque<Long> unsent = new ArrayDeque<>(); // ids of those in flight that have not left whole
    private @Nullable SimulatedConnection connection;
    private boolean isOpen;
    private int answered; // requests of this connection
    private long nextId;
    private long lastProgressNs;
    private VirtualTime.@Nullable Event alarm;

    TransferLine(SimulatedTransfers owner, String peer) {
        this.owner = owner;
        this.peer = peer;
    }

    Transfer post(SpanBatch spans, Operation operation, long deadlineNs) {
        var posted = new Posted(spans, operation);
        if (spans.totalBytes() == 0) {
            posted.done.complete(new Transfer.Moved(0, 0, true));
            return posted;
        }
        active.add(posted);
        posted.deadline = owner.host()
                .after(
                        deadlineNs,
                        "transfer deadline",
                        () -> fail(
                                posted,
                                new TransferException(
                                        Kind.TIMED_OUT, peer + ": deadline passed after " + posted.movedBytes)));
        owner.host().after(TASK_NS, "transfer begin", () -> begin(posted));
        return posted;
    }

    private void begin(Posted posted) {
        if (posted.isOver) {
            return;
        }
        for (int span = 0; span < posted.spans.spans(); span++) {
            for (long at = 0; at < posted.spans.bytes(span); at += REQUEST_BYTES) {
                int bytes = (int) Math.min(REQUEST_BYTES, posted.spans.bytes(span) - at);
                waiting.add(new Request(
                        posted, posted.spans.localOffset(span) + at, posted.spans.remoteAddress(span) + at, bytes));
            }
        }
        pump();
    }

    private void pump() {
        if (waiting.isEmpty()) {
            return;
        }
        SimulatedConnection to = connection;
        if (to == null) {
            connect();
            return;
        }
        while (isOpen && inFlight.size() < DEPTH && !waiting.isEmpty()) {
            if (inFlight.isEmpty()) {
                lastProgressNs = owner.host().nowNs();
                setAlarm(PROGRESS_NS);
            }
            Request request = waiting.remove();
            request.beginAgain();
            inFlight.put(nextId, request);
            unsent.add(nextId++);
            if (unsent.size() == 1) {
                sendHead(to);
            }
        }
    }

    private void connect() {
        int colon = peer.lastIndexOf(':');
        isOpen = false;
        answered = 0;
        connection = owner.host()
                .network()
                .connect(
                        owner.host(),
                        peer.substring(0, colon),
                        Integer.parseInt(peer.substring(colon + 1)),
                        SimulatedTransfers.PROTOCOL,
                        End::new);
        lastProgressNs = owner.host().nowNs();
        setAlarm(CONNECT_NS);
    }

    private final class End implements SimulatedConnection.Handler {
        private final SimulatedConnection own;

        End(SimulatedConnection own) {
            this.own = own;
        }

        private boolean isCurrent() {
            return own.equals(connection);
        }

        @Override
        public void opened() {
            if (isCurrent()) {
                isOpen = true;
                lastProgressNs = owner.host().nowNs();
                setAlarm(IDLE_NS); // what it was opened for may have been given up
                pump();
            }
        }

        @Override
        public void received(Object message) {
            if (isCurrent()) {
                heard((TransferFrame) message);
            }
        }

        @Override
        public void closed(String reason) {
            if (isCurrent()) {
                lost(new TransferException(Kind.PEER_GONE, "connection to " + peer + " lost: " + reason));
            }
        }
    }

    /** The next request goes out; those behind it wait until its body has left. */
    private void sendHead(SimulatedConnection to) {
        Long id = unsent.peek();
        if (id == null || !to.equals(connection)) {
            return;
        }
        Request request = inFlight.get(id);
        if (request == null) {
            throw new IllegalStateException("request " + id + " is answered and not sent");
        }
        if (request.transfer.operation == Operation.READ) {
            to.send(new TransferFrame.Read(id, request.address, request.bytes), TransferFrame.HEAD_BYTES);
            unsent.remove();
            sendHead(to);
        } else {
            to.send(new TransferFrame.Write(id, request.address, request.bytes), TransferFrame.HEAD_BYTES);
            sendBody(to, id, request, 0);
        }
    }

    /** Memory is read when the wire takes it. */
    private void sendBody(SimulatedConnection to, long id, Request request, int offset) {
        owner.host().after(waitNs(to), "transfer piece", () -> {
            if (!to.equals(connection)) {
                return;
            }
            if (request.transfer.isOver) { // a body that has gone in part cannot be taken back
                inFlight.remove(id);
                hangUp("a write was given up");
                return;
            }
            int length = Math.min(PIECE_BYTES, request.bytes - offset);
            boolean isLast = offset + length == request.bytes;
            byte[] bytes = Memory.read(request.transfer.spans.local(), request.localOffset + offset, length);
            request.sum.update(bytes);
            to.send(
                    new TransferFrame.Piece(id, bytes, isLast, (int) request.sum.getValue()),
                    length + TransferFrame.HEAD_BYTES);
            lastProgressNs = owner.host().nowNs();
            if (isLast) {
                unsent.remove();
                sendHead(to);
            } else {
                sendBody(to, id, request, offset + length);
            }
        });
    }

    private long waitNs(SimulatedConnection to) {
        return Math.max(0, to.wireFreeNs() - owner.host().network().time().nowNs());
    }

    private void heard(TransferFrame frame) {
        lastProgressNs = owner.host().nowNs();
        Request request = inFlight.get(frame.id());
        if (request == null) {
            return; // given up
        }
        switch (frame) {
            case TransferFrame.Piece piece -> heardPiece(request, piece);
            case TransferFrame.Status status -> {
                inFlight.remove(status.id());
                if (status.isOk()) {
                    moved(request);
                } else {
                    hangUp("refused");
                    fail(request.transfer, new TransferException(Kind.REJECTED, peer + " refuses the address"));
                }
            }
            case TransferFrame.Read read -> throw new IllegalStateException("not an answer: " + read);
            case TransferFrame.Write write -> throw new IllegalStateException("not an answer: " + write);
        }
        pump();
    }

    private void heardPiece(Request request, TransferFrame.Piece piece) {
        owner.store(
                request.transfer.spans, request.localOffset + request.arrived, piece.bytes(), request.transfer.isOver);
        request.sum.update(piece.bytes());
        request.arrived += piece.bytes().length;
        if (!piece.isLast()) {
            return;
        }
        inFlight.remove(piece.id());
        if (request.transfer.isOver) {
            return;
        }
        if (!owner.isIntact((int) request.sum.getValue(), piece.sum())) {
            fail(request.transfer, new TransferException(Kind.CORRUPT, peer + ": checksum differs"));
        } else {
            moved(request);
        }
    }

    private void moved(Request request) {
        answered++;
        Posted transfer = request.transfer;
        if (transfer.isOver) {
            return;
        }
        transfer.movedBytes += request.bytes;
        if (transfer.movedBytes == transfer.spans.totalBytes()) {
            end(transfer);
            transfer.done.complete(
                    new Transfer.Moved(transfer.movedBytes, owner.host().nowNs() - transfer.beganNs, true));
        }
    }

    private void fail(Posted transfer, TransferException cause) {
        if (!transfer.isOver) {
            end(transfer);
            transfer.done.completeExceptionally(cause);
        }
    }

    private void end(Posted transfer) {
        transfer.isOver = true;
        active.remove(transfer);
        waiting.removeIf(request -> request.transfer.equals(transfer));
        if (transfer.deadline != null) {
            transfer.deadline.cancel();
        }
    }

    /**
     * The connection has gone: what was under way has failed, and what waits for it too if it never came about. As with the real engine, a
     * connection that has served before may be closed at any time: what it has not begun to answer is asked again.
     */
    private void lost(TransferException cause) {
        var failed = new ArrayList<>(inFlight.values());
        var again = new ArrayList<Request>();
        if (!isOpen) {
            failed.addAll(waiting);
        } else if (answered > 0 && cause.kind() == Kind.PEER_GONE) {
            failed.removeIf(request -> request.arrived == 0 && again.add(request));
        }
        reset();
        takeBack(again);
        for (Request request : failed) {
            fail(request.transfer, cause);
        }
        pump();
    }

    private void reset() {
        connection = null;
        isOpen = false;
        inFlight.clear();
        unsent.clear();
        clearAlarm();
    }

    /** Requests wait again, before all others. */
    private void takeBack(List<Request> requests) {
        for (Request request : requests.reversed()) {
            if (!request.transfer.isOver) {
                waiting.addFirst(request);
            }
        }
    }

    /** Ends the connection; what was under way for transfers that go on is asked again. */
    private void hangUp(String reason) {
        SimulatedConnection old = connection;
        if (old != null) {
            List<Request> open = new ArrayList<>(inFlight.values());
            reset();
            old.close(reason);
            takeBack(open);
            pump();
        }
    }

    private void setAlarm(long delayNs) {
        clearAlarm();
        alarm = owner.host().after(delayNs, "transfer progress", this::checkProgress);
    }

    private void clearAlarm() {
        if (alarm != null) {
            alarm.cancel();
            alarm = null;
        }
    }

    private void checkProgress() {
        alarm = null;
        SimulatedConnection old = connection;
        if (old == null) {
            return;
        }
        boolean isIdle = isOpen && inFlight.isEmpty();
        long leftNs =
                lastProgressNs + (isIdle ? IDLE_NS : PROGRESS_NS) - owner.host().nowNs();
        if (isOpen && leftNs > 0) {
            setAlarm(leftNs);
            return;
        }
        if (isIdle) {
            hangUp("idle");
            return;
        }
        var cause =
                new TransferException(Kind.TIMED_OUT, peer + (isOpen ? ": no byte for 10 s" : ": connect timed out"));
        SimulatedConnection gone = old;
        lost(cause);
        gone.close("silent");
    }

    int open() {
        return active.size();
    }

    void close() {
        for (Posted posted : List.copyOf(active)) {
            fail(posted, new TransferException(Kind.CANCELLED, "closed"));
        }
        hangUp("closed");
    }
}
