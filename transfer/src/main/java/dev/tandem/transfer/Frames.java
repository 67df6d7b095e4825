package dev.tandem.transfer;

import dev.tandem.transfer.wire.Opcode;
import dev.tandem.transfer.wire.RequestHeader;
import dev.tandem.transfer.wire.StatusFrame;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Memory for the frames of a connection's exchanges, a slot each, used in turn. Owned by the poller. */
final class Frames {
    /** Slots, and so the most exchanges on one connection. */
    static final int SLOTS = 256;

    private static final int SLOT_BYTES = 40; // header 24, status 8, trailer 4 and 4 spare

    private final ByteBuffer memory;
    private int next;

    Frames(Arena arena) {
        memory = arena.allocate((long) SLOTS * SLOT_BYTES, Long.BYTES).asByteBuffer();
    }

    Slot next() {
        int offset = next * SLOT_BYTES;
        next = (next + 1) % SLOTS;
        return new Slot(memory, offset);
    }

    /** The last slots were not sent after all. */
    void giveBack(int slots) {
        next = Math.floorMod(next - slots, SLOTS);
    }

    /** The frames of one exchange. */
    record Slot(ByteBuffer memory, int offset) {
        ByteBuffer header(PostedTransfer.Request request, Opcode opcode) {
            RequestHeader.encode(memory, offset, request.bytes(), request.remoteAddress(), opcode);
            return memory.slice(offset, RequestHeader.BYTES);
        }

        ByteBuffer status() {
            return memory.slice(offset + RequestHeader.BYTES, StatusFrame.BYTES);
        }

        ByteBuffer trailer() {
            return memory.slice(offset + RequestHeader.BYTES + StatusFrame.BYTES, Opcode.CHECKSUM_BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN);
        }
    }
}
