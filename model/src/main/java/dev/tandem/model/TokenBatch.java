package dev.tandem.model;

import java.util.List;

/**
 * The rows of one step: tokens of several sequences one after the other.
 *
 * @param tokenIds [rows]
 * @param chunks which rows belong to which sequence, in row order, without gaps
 */
@SuppressWarnings("ArrayRecordComponent") // a value of one step, never compared
public record TokenBatch(int[] tokenIds, List<Chunk> chunks) {
    /**
     * Consecutive rows of one sequence.
     *
     * @param rows tokens of this chunk, at least 1
     * @param firstPosition position in the sequence of the chunk's first token; positions before it are in the cache
     * @param blockIds [blocks] of the sequence in order, enough for {@code firstPosition + rows} tokens
     * @param logitRows how many of the chunk's last rows need logits: 0 inside a prompt, 1 to sample, more for prompt logprobs
     */
    public record Chunk(int rows, int firstPosition, int[] blockIds, int logitRows) {}

    public TokenBatch {
        chunks = List.copyOf(chunks);
    }

    public int rows() {
        return tokenIds.length;
    }

    /** Rows of logits that the batch asks for. */
    public int logitRows() {
        int rows = 0;
        for (Chunk chunk : chunks) {
            rows += chunk.logitRows();
        }
        return rows;
    }
}
