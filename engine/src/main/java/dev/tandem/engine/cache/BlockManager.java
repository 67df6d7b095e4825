package dev.tandem.engine.cache;

import java.util.ArrayList;
import java.util.List;

/**
 * Gives out the blocks of one pool and takes them back. A block has as many references as tables that hold it; at zero it is free, but
 * the prefix cache finds it until it is taken again. Owned by the engine loop.
 */
public final class BlockManager {
    private final int blockSize;
    private final boolean cachesPrefixes;
    private final int[] references; // [blockCount]
    private final FreeBlocks free;
    private final PrefixIndex index;
    private final BlockHash.Maker hashes;
    private int cachedFree; // free blocks that the index still knows

    /** @param cachesPrefixes full blocks are found again by later sequences */
    public BlockManager(int blockCount, int blockSize, boolean cachesPrefixes) {
        this.blockSize = blockSize;
        this.cachesPrefixes = cachesPrefixes;
        this.references = new int[blockCount];
        this.free = new FreeBlocks(blockCount);
        this.index = new PrefixIndex(blockCount);
        this.hashes = new BlockHash.Maker(blockSize);
    }

    public int blockCount() {
        return references.length;
    }

    /** Tokens per block. */
    public int blockSize() {
        return blockSize;
    }

    /** Blocks that nobody owns, cached ones included. */
    public int freeBlocks() {
        return free.size();
    }

    /** Free blocks that the prefix cache would still find. */
    public int cachedBlocks() {
        return cachedFree;
    }

    /** Blocks that {@code tokens} tokens need. */
    public int blocksFor(int tokens) {
        return Math.ceilDiv(tokens, blockSize);
    }

    /**
     * How many leading blocks of a sequence are in the prefix cache. Takes nothing.
     *
     * @param table hashes of its full blocks are added to it
     * @param tokens [at least tokenCount]
     */
    public int countCached(BlockTable table, int[] tokens, int tokenCount) {
        if (!cachesPrefixes) {
            return 0;
        }
        hashFullBlocks(table, tokens, tokenCount);
        int blocks = 0;
        while (blocks < tokenCount / blockSize && index.find(table.hashes().get(blocks)) != PrefixIndex.NOT_CACHED) {
            blocks++;
        }
        return blocks;
    }

    /**
     * Whether {@link #allocate} would succeed and leave {@code reserve} blocks free.
     *
     * @param table of the sequence, with hashes for the cached blocks
     * @param cachedBlocks leading blocks to be taken from the prefix cache
     * @param blocks blocks in all
     */
    public boolean canAllocate(BlockTable table, int cachedBlocks, int blocks, int reserve) {
        int taken = blocks - cachedBlocks;
        for (int i = 0; i < cachedBlocks; i++) {
            if (references[index.find(table.hashes().get(i))] == 0) {
                taken++;
            }
        }
        return taken + reserve <= free.size();
    }

    /** Fills an empty table: the first {@code cachedBlocks} from the prefix cache, the rest new. */
    public void allocate(BlockTable table, int cachedBlocks, int blocks) {
        if (table.size() != 0) {
            throw new IllegalStateException("the table already holds " + table.size() + " blocks");
        }
        var ids = new int[blocks];
        for (int i = 0; i < cachedBlocks; i++) {
            ids[i] = index.find(table.hashes().get(i));
            share(ids[i]);
        }
        for (int i = cachedBlocks; i < blocks; i++) {
            ids[i] = take();
        }
        table.append(ids, blocks);
        table.registeredBlocks(cachedBlocks);
    }

    /** Adds one block to a table. */
    public void extend(BlockTable table) {
        table.append(new int[] {take()}, 1);
    }

    /**
     * Makes the full blocks of a sequence findable.
     *
     * @param computedTokens tokens whose keys and values are complete in the pool
     */
    public void register(BlockTable table, int[] tokens, int computedTokens) {
        if (!cachesPrefixes) {
            return;
        }
        int fullBlocks = computedTokens / blockSize;
        if (fullBlocks <= table.registeredBlocks()) {
            return;
        }
        hashFullBlocks(table, tokens, computedTokens);
        for (int i = table.registeredBlocks(); i < fullBlocks; i++) {
            index.add(table.hashes().get(i), table.blockIds()[i]);
        }
        table.registeredBlocks(fullBlocks);
    }

    /** Gives all blocks of a table back; the last ones are evicted first, for a prefix is worth more than what follows it. */
    public void release(BlockTable table) {
        int[] ids = table.blockIds();
        for (int i = ids.length - 1; i >= 0; i--) {
            unshare(ids[i]);
        }
        table.clear();
    }

    /**
     * Compares reference counts and the free list with the owners that there are.
     *
     * @param owners tables of all living sequences
     * @return one sentence per block whose owners are not as they should be; empty when all is well
     */
    public List<String> checkIntegrity(Iterable<BlockTable> owners) {
        var expected = new int[references.length];
        for (BlockTable table : owners) {
            for (int blockId : table.blockIds()) {
                expected[blockId]++;
            }
        }
        var faults = new ArrayList<String>();
        int cached = 0;
        for (int blockId = 0; blockId < references.length; blockId++) {
            boolean isFree = free.contains(blockId);
            if (references[blockId] != expected[blockId] || isFree != (expected[blockId] == 0)) {
                faults.add("block " + blockId + " has " + references[blockId] + " references, " + expected[blockId]
                        + " owners and is " + (isFree ? "free" : "not free"));
            }
            cached += isFree && index.contains(blockId) ? 1 : 0;
        }
        if (cached != cachedFree) {
            faults.add(cached + " free blocks are cached, counted were " + cachedFree);
        }
        return faults;
    }

    private void hashFullBlocks(BlockTable table, int[] tokens, int tokenCount) {
        List<BlockHash> known = table.hashes();
        for (int block = known.size(); block < tokenCount / blockSize; block++) {
            BlockHash before = known.isEmpty() ? BlockHash.ROOT : known.getLast();
            known.add(hashes.next(before, tokens, block * blockSize));
        }
    }

    private void share(int blockId) {
        if (references[blockId]++ == 0) {
            free.remove(blockId);
            cachedFree--;
        }
    }

    private int take() {
        int blockId = free.removeFirst();
        if (index.contains(blockId)) {
            index.remove(blockId);
            cachedFree--;
        }
        references[blockId] = 1;
        return blockId;
    }

    private void unshare(int blockId) {
        if (references[blockId] <= 0) {
            throw new IllegalStateException("block " + blockId + " was given back once too often");
        }
        if (--references[blockId] > 0) {
            return;
        }
        if (index.contains(blockId)) {
            free.addLast(blockId);
            cachedFree++;
        } else {
            free.addFirst(blockId);
        }
    }
}
