package dev.tandem.engine.schedule;

import dev.tandem.engine.request.Sequence;
import dev.tandem.model.TokenBatch;
import java.util.ArrayList;
import java.util.List;

/**
 * What one step does.
 *
 * @param chunks rows to compute, in row order: decoding sequences first
 * @param fetches sequences that have just become AWAITING_KV: their blocks are to be filled from the prefill node
 * @param declines sequences whose ticket turned out to be needless
 * @param started sequences that left the queue for the first time
 * @param preemptions sequences that lost their blocks
 */
public record Batch(
        List<ScheduledChunk> chunks,
        List<Sequence> fetches,
        List<Sequence> declines,
        List<Sequence> started,
        int preemptions) {
    /** Consecutive rows of one sequence. */
    public record ScheduledChunk(Sequence sequence, int rows) {
        /** After this chunk nothing is pending: its last row's logits choose the next token. */
        public boolean isSampled() {
            return rows == sequence.pendingTokens();
        }
    }

    /** The rows as the model wants them; to be called before the sequences advance. */
    public TokenBatch toTokenBatch() {
        int rows = 0;
        for (ScheduledChunk chunk : chunks) {
            rows += chunk.rows();
        }
        var tokenIds = new int[rows];
        var parts = new ArrayList<TokenBatch.Chunk>(chunks.size());
        int row = 0;
        for (ScheduledChunk chunk : chunks) {
            Sequence sequence = chunk.sequence();
            int first = sequence.computedTokens();
            System.arraycopy(sequence.tokens(), first, tokenIds, row, chunk.rows());
            parts.add(
                    new TokenBatch.Chunk(chunk.rows(), first, sequence.blocks().blockIds(), chunk.isSampled() ? 1 : 0));
            row += chunk.rows();
        }
        return new TokenBatch(tokenIds, parts);
    }
}
