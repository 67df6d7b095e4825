package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;

/**
 * Scratch of mixture-of-experts layers, shared by all layers of a rank.
 *
 * @param inner activations inside an expert
 * @param result [rows, hidden] of one expert, rows packed
 * @param fromRows [rows] rows of the running expert
 * @param packedRows 0, 1, 2, ...
 */
@SuppressWarnings("ArrayRecordComponent") // buffers, never compared
public record ExpertScratch(
        SwiGluScratch inner, RoutingScratch routing, GatherBuffer result, int[] fromRows, int[] packedRows) {
    /** What the rows of the running layer choose. */
    public ExpertChoice choice() {
        return routing.choice();
    }

    /** Scratch for passes of at most {@code rows} rows. */
    public static ExpertScratch of(Rank rank, int rows, int hiddenSize, Experts experts) {
        var packedRows = new int[rows];
        for (int row = 0; row < rows; row++) {
            packedRows[row] = row;
        }
        return new ExpertScratch(
                SwiGluScratch.of(rank, rows, experts.intermediateSize()),
                RoutingScratch.of(rows, experts),
                GatherBuffer.of(rank, rows, hiddenSize),
                new int[rows],
                packedRows);
    }
}
