package dev.tandem.engine.handoff;

import dev.tandem.kv.KvPool;

/**
 * A prompt and where its KV lies here, or is to lie.
 *
 * @param promptTokens of the whole prompt
 * @param cachedTokens leading tokens, a multiple of the block size, whose KV is here already
 * @param blockIds all blocks of the prompt in order, cached ones included, the same on all ranks
 */
@SuppressWarnings("ArrayRecordComponent") // handed over by the engine loop, never compared
public record PromptBlocks(String requestId, int promptTokens, int cachedTokens, int[] blockIds) {
    /** @throws IllegalArgumentException when these are not blocks of that pool for a prompt of that length */
    void requireIn(KvPool pool) {
        int blockSize = pool.layout().blockSize();
        if (promptTokens < 1 || cachedTokens < 0 || cachedTokens % blockSize != 0) {
            throw new IllegalArgumentException(
                    cachedTokens + " cached of " + promptTokens + " prompt tokens in blocks of " + blockSize);
        }
        if (blockIds.length < pool.layout().blocksFor(promptTokens)) {
            throw new IllegalArgumentException(blockIds.length + " blocks for " + promptTokens + " tokens");
        }
        requireBlocks(blockIds, pool);
    }

    static void requireBlocks(int[] blockIds, KvPool pool) {
        for (int blockId : blockIds) {
            if (blockId < 0 || blockId >= pool.blockCount()) {
                throw new IllegalArgumentException("block " + blockId + " of " + pool.blockCount());
            }
        }
    }
}
