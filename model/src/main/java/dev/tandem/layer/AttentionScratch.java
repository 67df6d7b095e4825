package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;

/**
 * Scratch of attention layers, shared by all layers of a rank.
 *
 * @param projected [rows, query | key | value heads of this rank]
 * @param attended [rows, heads * headDim] input of the output projection
 */
public record AttentionScratch(Matrix projected, GatherBuffer attended) {
    /** Scratch for passes of at most {@code rows} rows. */
    public static AttentionScratch of(Rank rank, int rows, HeadShards heads) {
        return new AttentionScratch(
                Matrix.of(rows, heads.queryColumns() + 2 * heads.kvColumns()),
                GatherBuffer.of(rank, rows, heads.queryColumns() * rank.tpSize()));
    }
}
