package dev.tandem.transfer;

import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.StatusFrame;
import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * One request on one connection, from its header's place in the outgoing stream to the last byte of its answer. Owned by the poller.
 *
 * <p>If its transfer ends early, the answer still comes; it is then read into scratch memory.
 */
final class InFlightRequest {
    private static final ByteBuffer NOTHING = ByteBuffer.allocateDirect(0);

    private final PostedTransfer.Request request;
    private final Opcode opcode;
    private final ByteBuffer status; // [8]
    private final ByteBuffer trailer; // [4], after a checksum read
    private final CRC32C sum = new CRC32C();
    private ByteBuffer payload; // what a read still fills
    private int summedTo;
    private int discardBytes; // of the answer, behind payload
    private long sendStart;
    private long sendEnd;

    InFlightRequest(PostedTransfer.Request request, Opcode opcode, ByteBuffer payload, Frames.Slot slot) {
        this.request = request;
        this.opcode = opcode;
        this.payload = opcode.isWrite() ? NOTHING : payload;
        this.status = opcode.hasStatus() ? slot.status() : NOTHING;
        this.trailer = opcode == Opcode.READ_CRC ? slot.trailer() : NOTHING;
    }

    /** Its place in the outgoing stream. */
    void queued(long start, long end) {
        sendStart = start;
        sendEnd = end;
    }

    PostedTransfer.Request request() {
        return request;
    }

    PostedTransfer transfer() {
        return request.transfer();
    }

    Opcode opcode() {
        return opcode;
    }

    long sendStart() {
        return sendStart;
    }

    long sendEnd() {
        return sendEnd;
    }

    /** Adds the buffers that the answer fills, from {@code count} on; gives the new count, negative if nothing may follow. */
    int addTargets(ByteBuffer[] targets, int count, ByteBuffer scratch) {
        int at = count;
        if (status.hasRemaining()) {
            targets[at++] = status;
        }
        if (!payload.hasRemaining() && discardBytes > 0) {
            int bytes = Math.min(discardBytes, scratch.capacity());
            payload = scratch.slice(0, bytes);
            discardBytes -= bytes;
        }
        if (payload.hasRemaining()) {
            targets[at++] = payload;
        }
        if (discardBytes > 0) {
            return -at;
        }
        if (trailer.hasRemaining()) {
            targets[at++] = trailer;
        }
        return at;
    }

    /** The transfer is over: what still comes is read and dropped. */
    void discard() {
        discardBytes += payload.remaining();
        payload = NOTHING;
    }

    /** Sums what has come since the last call. */
    void sumArrived() {
        if (opcode == Opcode.READ_CRC && !transfer().isOver() && payload.position() > summedTo) {
            sum.update(payload.duplicate().position(summedTo).limit(payload.position()));
            summedTo = payload.position();
        }
    }

    boolean hasStatus() {
        return !status.hasRemaining();
    }

    boolean isStatusFrame() {
        return !opcode.hasStatus() || StatusFrame.isFrame(status, 0);
    }

    int statusCode() {
        return opcode.hasStatus() ? StatusFrame.code(status, 0) : StatusFrame.OK;
    }

    /** Whether the whole answer is here. A v1 write has none. */
    boolean isAnswered() {
        return !status.hasRemaining() && !payload.hasRemaining() && discardBytes == 0 && !trailer.hasRemaining();
    }

    boolean isUntouched() {
        return status.position() == 0 && payload.position() == 0 && discardBytes == 0;
    }

    int arrivedBytes() {
        return payload.position();
    }

    boolean isIntact() {
        return opcode != Opcode.READ_CRC || trailer.getInt(0) == (int) sum.getValue();
    }
}
