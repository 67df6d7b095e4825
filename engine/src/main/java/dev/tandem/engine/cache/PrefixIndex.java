package dev.tandem.engine.cache;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the block that holds a prefix: one entry for each full block whose content is known. An entry says nothing of owners; it lives
 * until its block is taken for something else. Owned by the engine loop.
 */
public final class PrefixIndex {
    /** What {@link #find} answers when there is no such block. */
    public static final int NOT_CACHED = -1;

    private final Map<BlockHash, Integer> blockOfHash = new HashMap<>();
    private final @Nullable BlockHash[] hashOfBlock;

    public PrefixIndex(int blockCount) {
        this.hashOfBlock = new BlockHash[blockCount];
    }

    /** The block with this content, or {@link #NOT_CACHED}. */
    public int find(BlockHash hash) {
        Integer blockId = blockOfHash.get(hash);
        return blockId == null ? NOT_CACHED : blockId;
    }

    /** Remembers a block's content; when another block already has the same, that one stays the one to be found. */
    public void add(BlockHash hash, int blockId) {
        if (blockOfHash.putIfAbsent(hash, blockId) == null) {
            hashOfBlock[blockId] = hash;
        }
    }

    /** Whether a lookup could return this block. */
    public boolean contains(int blockId) {
        return hashOfBlock[blockId] != null;
    }

    /** Forgets a block, because other content is about to be written to it. */
    public void remove(int blockId) {
        BlockHash hash = hashOfBlock[blockId];
        if (hash != null) {
            blockOfHash.remove(hash);
            hashOfBlock[blockId] = null;
        }
    }

    /** Entries. */
    public int size() {
        return blockOfHash.size();
    }
}
