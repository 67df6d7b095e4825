package dev.tandem.kernel.scalar;

import dev.tandem.kernel.KvPlaneView;

/** Where a value lies in a cache plane [blocks, heads, blockSize, headDim]. Stateless. */
public final class KvAddress {
    private KvAddress() {}

    /** Byte offset of the first value of one head's token in a block. */
    public static long of(KvPlaneView view, int block, int head, int offsetInBlock) {
        long vector = ((long) block * view.heads() + head) * view.blockSize() + offsetInBlock;
        return view.dtype().bytes(vector * view.headDim());
    }
}
