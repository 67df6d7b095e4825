package dev.tandem.model;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;

/**
 * Scratch of a decoder outside its layers, taken once.
 *
 * @param residual [maxRows, hidden] the residual stream
 * @param normed [maxRows, hidden] input of attention and feed-forward
 * @param added [maxRows, hidden] their output
 * @param asked [maxLogitRows, hidden] rows of the residual stream that need logits
 * @param logits [maxLogitRows, vocabulary]
 */
record DecoderScratch(Matrix residual, Matrix normed, GatherBuffer added, Matrix asked, GatherBuffer logits) {
    static DecoderScratch of(Rank rank, StepLimits limits, int hiddenSize, int vocabularySize) {
        return new DecoderScratch(
                Matrix.of(limits.maxRows(), hiddenSize),
                Matrix.of(limits.maxRows(), hiddenSize),
                GatherBuffer.of(rank, limits.maxRows(), hiddenSize),
                Matrix.of(limits.maxLogitRows(), hiddenSize),
                GatherBuffer.of(rank, limits.maxLogitRows(), vocabularySize));
    }
}
