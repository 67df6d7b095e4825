package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;

/**
 * Inner activations of feed-forward layers, shared by all layers and experts of a rank.
 *
 * @param gate [rows, inner], after the activation function the input of down
 * @param up [rows, inner of this rank]
 */
public record SwiGluScratch(GatherBuffer gate, Matrix up) {
    /** Scratch for {@code rows} rows of {@code inner} values over the whole group. */
    public static SwiGluScratch of(Rank rank, int rows, int inner) {
        return new SwiGluScratch(
                GatherBuffer.of(rank, rows, inner),
                Matrix.of(rows, rank.shard(inner).size()));
    }
}
