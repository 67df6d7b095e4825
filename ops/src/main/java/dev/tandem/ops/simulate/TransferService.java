package dev.tandem.ops.simulate;

import dev.tandem.transfer.Region;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.TransferException;
import java.util.ArrayDeque;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** What a simulated process does for one connection of a peer that reads or writes its memory. */
final class TransferService implements SimulatedConnection.Handler {
    /** An answer to be sent: with the bytes of an access, or a status. */
    private record Answer(long id, Region.@Nullable Access access, int bytes, int sum, boolean isOk) {}

    private final SimulatedTransfers owner;
    private final SimulatedConnection connection;
    private final ArrayDeque<Answer> answers = new ArrayDeque<>(); // in the order of the requests
    private Region.@Nullable Access incoming; // of the write whose body comes
    private CRC32C sum = new CRC32C();
    private int arrived;
    private boolean isRefused; // nothing more is served
    private VirtualTime.@Nullable Event alarm;
    private long lastProgressNs;

    TransferService(SimulatedTransfers owner, SimulatedConnection connection) {
        this.owner = owner;
        this.connection = connection;
    }

    @Override
    public void opened() {
        lastProgressNs = owner.host().nowNs();
    }

    @Override
    public void received(Object message) {
        if (isRefused) {
            return;
        }
        lastProgressNs = owner.host().nowNs();
        switch ((TransferFrame) message) {
            case TransferFrame.Read read -> read(read);
            case TransferFrame.Write write -> write(write);
            case TransferFrame.Piece piece -> body(piece);
            case TransferFrame.Status status -> throw new IllegalStateException("not a request: " + status);
        }
    }

    private void read(TransferFrame.Read read) {
        Region.Access access = open(read.id(), read.address(), read.bytes(), Operation.READ);
        if (access != null) {
            int whole = Memory.sum(Memory.read(access, 0, read.bytes()));
            answer(new Answer(read.id(), access, read.bytes(), whole, true));
        }
    }

    private void write(TransferFrame.Write write) {
        incoming = open(write.id(), write.address(), write.bytes(), Operation.WRITE);
        sum = new CRC32C();
        arrived = 0;
        if (incoming != null) {
            expectProgress(TransferLine.PROGRESS_NS);
        }
    }

    private Region.@Nullable Access open(long id, long address, int bytes, Operation operation) {
        try {
            return owner.open(address, bytes, operation, connection.remoteAddress());
        } catch (TransferException refused) {
            owner.host().network().trace(connection, "refuses: " + refused.getMessage());
            isRefused = true;
            answer(new Answer(id, null, 0, 0, false));
            return null;
        }
    }

    private void body(TransferFrame.Piece piece) {
        Region.Access access = incoming;
        if (access == null) {
            throw new IllegalStateException("a body without a head: " + piece);
        }
        Memory.write(access, arrived, piece.bytes());
        sum.update(piece.bytes());
        arrived += piece.bytes().length;
        if (piece.isLast()) {
            incoming = null;
            access.close();
            answer(new Answer(piece.id(), null, 0, 0, (int) sum.getValue() == piece.sum()));
        }
    }

    private void answer(Answer answer) {
        answers.add(answer);
        if (answers.size() == 1) {
            send(0);
        }
    }

    /** Memory is read when the wire takes it. */
    private void send(int offset) {
        long waitNs = Math.max(
                0, connection.wireFreeNs() - owner.host().network().time().nowNs());
        owner.host().after(waitNs, "transfer piece", () -> sendNow(offset));
    }

    private void sendNow(int offset) {
        Answer answer = answers.peek();
        if (answer == null || connection.isClosed()) {
            return;
        }
        int length = Math.min(TransferLine.PIECE_BYTES, answer.bytes() - offset);
        Region.Access access = answer.access();
        if (access == null) {
            connection.send(new TransferFrame.Status(answer.id(), answer.isOk()), TransferFrame.HEAD_BYTES);
        } else {
            byte[] bytes = Memory.read(access, offset, length);
            boolean isLast = offset + length == answer.bytes();
            connection.send(
                    new TransferFrame.Piece(answer.id(), bytes, isLast, answer.sum()),
                    length + TransferFrame.HEAD_BYTES);
            if (!isLast) {
                send(offset + length);
                return;
            }
            access.close();
        }
        answers.remove();
        if (!answers.isEmpty()) {
            send(0);
        }
    }

    private void expectProgress(long delayNs) {
        if (alarm == null) {
            alarm = owner.host().after(delayNs, "transfer progress", this::checkProgress);
        }
    }

    private void checkProgress() {
        alarm = null;
        if (incoming == null || connection.isClosed()) {
            return;
        }
        long silentNs = owner.host().nowNs() - lastProgressNs;
        if (silentNs >= TransferLine.PROGRESS_NS) {
            connection.close("the rest of a body does not come");
        } else {
            expectProgress(TransferLine.PROGRESS_NS - silentNs);
        }
    }

    /** Lets go of the peer and of what it was let into. */
    void hangUp() {
        connection.close("cut off");
    }

    @Override
    public void closed(String reason) {
        if (alarm != null) {
            alarm.cancel();
        }
        if (incoming != null) {
            incoming.close();
            incoming = null;
        }
        for (Answer answer : answers) {
            if (answer.access() != null) {
                answer.access().close();
            }
        }
        answers.clear();
        owner.forget(this);
    }

    /** Accesses that are open. */
    int open() {
        int open = incoming == null ? 0 : 1;
        for (Answer answer : answers) {
            open += answer.access() == null ? 0 : 1;
        }
        return open;
    }
}
