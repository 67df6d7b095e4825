package dev.tandem.model;

import dev.tandem.kv.KvPool;
import dev.tandem.model.TokenBatch.Chunk;

/** Refuses batches that would read or write outside their blocks, before anything is computed. Pure. */
final class BatchCheck {
    private BatchCheck() {}

    /**
     * Checks a whole batch.
     *
     * @throws IllegalArgumentException when it does not fit; the message names the value and the limit
     */
    static void require(TokenBatch batch, KvPool pool, StepLimits limits, int vocabularySize) {
        int rows = 0;
        for (Chunk chunk : batch.chunks()) {
            requireChunk(chunk, pool, limits);
            rows += chunk.rows();
        }
        if (rows != batch.rows() || rows == 0) {
            throw new IllegalArgumentException("chunks of " + rows + " rows for " + batch.rows() + " tokens");
        }
        if (batch.logitRows() > limits.maxLogitRows()) {
            throw new IllegalArgumentException(
                    batch.logitRows() + " rows of logits exceed max logit rows " + limits.maxLogitRows());
        }
        for (int id : batch.tokenIds()) {
            if (id < 0 || id >= vocabularySize) {
                throw new IllegalArgumentException(
                        "token id " + id + " is outside the vocabulary of " + vocabularySize);
            }
        }
    }

    private static void requireChunk(Chunk chunk, KvPool pool, StepLimits limits) {
        if (chunk.rows() < 1
                || chunk.firstPosition() < 0
                || chunk.logitRows() < 0
                || chunk.logitRows() > chunk.rows()) {
            throw new IllegalArgumentException("chunk of " + chunk.rows() + " rows at position " + chunk.firstPosition()
                    + " with " + chunk.logitRows() + " rows of logits");
        }
        int tokens = chunk.firstPosition() + chunk.rows();
        if (tokens > limits.maxModelLength()) {
            throw new IllegalArgumentException(
                    "a sequence of " + tokens + " tokens exceeds max model length " + limits.maxModelLength());
        }
        int blocks = pool.layout().blocksFor(tokens);
        if (chunk.blockIds().length < blocks) {
            throw new IllegalArgumentException(
                    tokens + " tokens need " + blocks + " blocks, the chunk has " + chunk.blockIds().length);
        }
        for (int i = 0; i < blocks; i++) {
            int block = chunk.blockIds()[i];
            if (block < 0 || block >= pool.blockCount()) {
                throw new IllegalArgumentException(
                        "block id " + block + " is outside the pool of " + pool.blockCount());
            }
        }
    }
}
