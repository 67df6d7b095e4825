package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;

/** {@code w · x / sqrt(mean(x²) + epsilon)}, over whole rows or over every head of a row on its own. */
public final class RmsNorm {
    private final RankContext context;
    private final Tensor weight; // [columns] or [headDim]
    private final float epsilon;

    public RmsNorm(RankContext context, Tensor weight, float epsilon) {
        this.context = context;
        this.weight = weight;
        this.epsilon = epsilon;
    }

    /** Whole rows; {@code x} and {@code out} may be the same matrix. */
    public void forward(Matrix x, int rows, Matrix out) {
        context.kernels().rmsNorm(x, rows, weight, epsilon, out);
    }

    /** Every head in columns {@code [column, column + heads * headDim)}, in place. */
    public void forwardHeads(Matrix x, int rows, int column, int heads) {
        context.kernels().headNorm(x, rows, column, heads, weight, epsilon);
    }
}
