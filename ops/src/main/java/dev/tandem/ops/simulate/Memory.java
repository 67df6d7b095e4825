package dev.tandem.ops.simulate;

import dev.tandem.transfer.Region;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.zip.CRC32C;

/** Copies between memory and messages. */
final class Memory {
    private Memory() {}

    static byte[] read(MemorySegment memory, long offset, int bytes) {
        return memory.asSlice(offset, bytes).toArray(ValueLayout.JAVA_BYTE);
    }

    static void write(MemorySegment memory, long offset, byte[] bytes) {
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, offset, bytes.length);
    }

    /** Bytes of an opened range, which lies in pieces. */
    static byte[] read(Region.Access access, long offset, int bytes) {
        var found = new byte[bytes];
        each(
                access,
                offset,
                bytes,
                (piece, from, at, length) -> MemorySegment.copy(piece, ValueLayout.JAVA_BYTE, from, found, at, length));
        return found;
    }

    static void write(Region.Access access, long offset, byte[] bytes) {
        each(
                access,
                offset,
                bytes.length,
                (piece, from, at, length) -> MemorySegment.copy(bytes, at, piece, ValueLayout.JAVA_BYTE, from, length));
    }

    private interface Copy {
        void copy(MemorySegment piece, long from, int at, int length);
    }

    private static void each(Region.Access access, long offset, int bytes, Copy copy) {
        long begin = 0; // of the piece in the range
        int done = 0;
        for (int index = 0; index < access.pieces() && done < bytes; index++) {
            MemorySegment piece = access.piece(index);
            long from = offset + done - begin;
            if (from < piece.byteSize()) {
                int length = (int) Math.min(piece.byteSize() - from, bytes - done);
                copy.copy(piece, from, done, length);
                done += length;
            }
            begin += piece.byteSize();
        }
        if (done < bytes) {
            throw new IllegalStateException(bytes + " bytes at " + offset + " of a range of " + begin);
        }
    }

    static int sum(byte[] bytes) {
        var sum = new CRC32C();
        sum.update(bytes);
        return (int) sum.getValue();
    }
}
