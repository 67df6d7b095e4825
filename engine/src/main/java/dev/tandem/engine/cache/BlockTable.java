package dev.tandem.engine.cache;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The blocks of one sequence in order, and the hashes of its full blocks. Filled and emptied by {@link BlockManager}; owned by the engine
 * loop.
 */
public final class BlockTable {
    private static final int[] NO_BLOCKS = {};

    private int[] blockIds = NO_BLOCKS; // replaced, never written to: batches may hold it
    private final List<BlockHash> hashes = new ArrayList<>(); // of the sequence's full blocks, whether held or not
    private int registeredBlocks; // the first blocks whose content is complete and known to the prefix index

    /** Ids in order; callers must not write to it. */
    public int[] blockIds() {
        return blockIds;
    }

    /** Blocks held. */
    public int size() {
        return blockIds.length;
    }

    void append(int[] more, int count) {
        int[] grown = Arrays.copyOf(blockIds, blockIds.length + count);
        System.arraycopy(more, 0, grown, blockIds.length, count);
        blockIds = grown;
    }

    void clear() {
        blockIds = NO_BLOCKS;
        registeredBlocks = 0;
    }

    List<BlockHash> hashes() {
        return hashes;
    }

    int registeredBlocks() {
        return registeredBlocks;
    }

    void registeredBlocks(int blocks) {
        registeredBlocks = blocks;
    }
}
