package dev.tandem.kernel;

import dev.tandem.kv.KvPlaneView;

/** Where a value lies in a cache plane [blocks, heads, blockSize, headDim]. Stateless. */
final class KvAddress {
    private KvAddress() {}

    /** Byte offset of the first value of one head's token in a block. */
    static long of(KvPlaneView view, int block, int head, int offsetInBlock) {
        var plane = view.plane();
        long vector = ((long) block * plane.heads() + head) * view.blockSize() + offsetInBlock;
        return plane.dtype().bytes(vector * plane.headDim());
    }
}
