package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;

/** Scratch of mixture-of-experts layers, shared by all layers of a rank. */
public final class ExpertScratch {
    final SwiGluScratch inner;
    final Matrix probabilities; // [rows, experts]
    final GatherBuffer result; // [rows, hidden] of one expert, rows packed
    final ExpertChoice choice;
    final int[] fromRows; // [rows] rows of the running expert
    final int[] packedRows; // 0, 1, 2, ...

    /** Scratch for passes of at most {@code rows} rows. */
    public ExpertScratch(Rank rank, int rows, int hiddenSize, Experts experts) {
        inner = SwiGluScratch.of(rank, rows, experts.intermediateSize());
        probabilities = Matrix.of(rows, experts.count());
        result = GatherBuffer.of(rank, rows, hiddenSize);
        choice = new ExpertChoice(rows, experts.count(), experts.active(), experts.normalisesWeights());
        fromRows = new int[rows];
        packedRows = new int[rows];
        for (int row = 0; row < rows; row++) {
            packedRows[row] = row;
        }
    }
}
