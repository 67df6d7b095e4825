package dev.tandem.transfer;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Memory as buffers for sockets: a buffer holds less than 2 GiB, a segment any number of bytes. */
final class Views {
    private static final long MAX_VIEW_BYTES = 1 << 30;

    private Views() {}

    /** A part that fits into one buffer. */
    static ByteBuffer of(MemorySegment memory, long offset, long bytes) {
        return memory.asSlice(offset, bytes).asByteBuffer();
    }

    /** All pieces of an access, in order. */
    static List<ByteBuffer> of(Region.Access access) {
        List<ByteBuffer> views = new ArrayList<>(access.pieces());
        for (int i = 0; i < access.pieces(); i++) {
            MemorySegment piece = access.piece(i);
            for (long offset = 0; offset < piece.byteSize(); offset += MAX_VIEW_BYTES) {
                views.add(of(piece, offset, Math.min(MAX_VIEW_BYTES, piece.byteSize() - offset)));
            }
        }
        return views;
    }
}
