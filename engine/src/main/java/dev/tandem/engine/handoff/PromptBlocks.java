package dev.tandem.engine.handoff;

import dev.tandem.engine.request.PromptDigest;
import dev.tandem.kv.KvPool;

/**
 * A prompt and where its KV lies here, or is to lie.
 *
 * @param tokenIds of the whole prompt
 * @param cachedTokens leading tokens, a multiple of the block size, whose KV is here already
 * @param blockIds all blocks of the prompt in order, cached ones included, the same on all ranks
 * @param deadlineNs when the request as a whole times out: nobody waits for an answer after it
 */
@SuppressWarnings("ArrayRecordComponent") // handed over by the engine loop, never compared
public record PromptBlocks(String requestId, int[] tokenIds, int cachedTokens, int[] blockIds, long deadlineNs) {
    /** Tokens of the whole prompt. */
    public int promptTokens() {
        return tokenIds.length;
    }

    /** What the peer's prompt must be equal to. */
    public String digest() {
        return PromptDigest.of(tokenIds);
    }

    /** @throws IllegalArgumentException when these are not blocks of that pool for a prompt of that length */
    public void requireIn(KvPool pool) {
        int blockSize = pool.layout().blockSize();
        if (promptTokens() < 1 || cachedTokens < 0 || cachedTokens % blockSize != 0) {
            throw new IllegalArgumentException(
                    cachedTokens + " cached of " + promptTokens() + " prompt tokens in blocks of " + blockSize);
        }
        if (blockIds.length < pool.layout().blocksFor(promptTokens())) {
            throw new IllegalArgumentException(blockIds.length + " blocks for " + promptTokens() + " tokens");
        }
        for (int blockId : blockIds) {
            if (blockId < 0 || blockId >= pool.blockCount()) {
                throw new IllegalArgumentException("block " + blockId + " of " + pool.blockCount());
            }
        }
    }
}
