package dev.tandem.kv;

/** How many blocks a budget of bytes gives: pure arithmetic, so that all commands agree. */
public final class KvSizing {
    private KvSizing() {}

    /**
     * The number of blocks of a pool.
     *
     * @param layout what one block takes on this rank
     * @param poolBytes bytes that the pool may take
     * @param maxModelLength tokens of the longest sequence, which must fit alone
     * @throws IllegalArgumentException when the longest sequence does not fit; the message names both limits, and values that would fit
     */
    public static int blockCount(KvLayout layout, long poolBytes, int maxModelLength) {
        long blocks = poolBytes / layout.blockBytes();
        int needed = layout.blocksFor(maxModelLength);
        if (blocks < needed) {
            throw new IllegalArgumentException("KV cache memory of " + poolBytes + " bytes holds "
                    + blocks * layout.blockSize() + " tokens in " + blocks + " blocks of " + layout.blockBytes()
                    + " bytes, but max model length " + maxModelLength + " needs " + needed
                    + " blocks: raise the memory to "
                    + needed * layout.blockBytes() + " bytes, or lower max model length to "
                    + blocks * layout.blockSize());
        }
        return (int) Math.min(blocks, maxBlocks(layout));
    }

    /** Slots are numbered with an int: block id * block size + offset. */
    static void requireAddressable(KvLayout layout, int blockCount) {
        if (blockCount < 1 || blockCount > maxBlocks(layout)) {
            throw new IllegalArgumentException("block count " + blockCount + " is outside 1.." + maxBlocks(layout)
                    + " for blocks of " + layout.blockSize() + " tokens");
        }
    }

    private static int maxBlocks(KvLayout layout) {
        return Integer.MAX_VALUE / layout.blockSize();
    }
}
