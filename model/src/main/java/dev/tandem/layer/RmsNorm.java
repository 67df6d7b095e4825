package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;

/**
 * {@code w · x / sqrt(mean(x²) + epsilon)} (RMSNorm, arXiv:1910.07467, section 4), over whole rows or over every head of a row on its
 * own.
 */
public final class RmsNorm {
    private final RankContext context;
    private final Tensor weight; // [columns] or [headDim]
    private final float epsilon;

    public RmsNorm(RankContext context, Tensor weight, float epsilon) {
        this.context = context;
        this.weight = weight;
        this.epsilon = epsilon;
    }

    /**
     * Norms the first values of every row, as many as the weight has.
     *
     * @param x [rows, at least columns]
     * @param out [rows, at least columns], may be {@code x}
     */
    public void forward(Matrix x, int rows, Matrix out) {
        context.kernels().rmsNorm(x, rows, weight, epsilon, out);
    }

    /** Norms every head of every row on its own, in place. */
    public void forward(Heads heads, int rows) {
        context.kernels().headNorm(heads.matrix(), rows, heads.columns().first(), heads.count(), weight, epsilon);
    }
}
