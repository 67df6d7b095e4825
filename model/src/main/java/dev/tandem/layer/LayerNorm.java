package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;

/** {@code w · (x - mean(x)) / sqrt(variance(x) + epsilon) + b} (layer normalization, arXiv:1607.06450, section 3), over whole rows. */
public final class LayerNorm {
    private final RankContext context;
    private final Tensor weight; // [columns]
    private final Tensor bias; // [columns]
    private final float epsilon;

    public LayerNorm(RankContext context, Tensor weight, Tensor bias, float epsilon) {
        this.context = context;
        this.weight = weight;
        this.bias = bias;
        this.epsilon = epsilon;
    }

    /**
     * Norms the first values of every row in place, as many as the weight has.
     *
     * @param x [rows, at least columns]
     */
    public void forward(Matrix x, int rows) {
        context.kernels().layerNorm(x, rows, weight, bias, epsilon, context.threads());
    }
}
