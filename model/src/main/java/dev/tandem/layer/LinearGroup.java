package dev.tandem.layer;

import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.Matrix;
import java.util.List;

/** Linear layers that read the same rows and are computed in one loop: query, key and value of attention; gate and up of a feed-forward. */
public final class LinearGroup {
    private final RankContext context;
    private final List<LinearPart> parts;

    /** @param parts this rank's rows of each layer and where they go, from {@link ShardedLinear#into} */
    public LinearGroup(RankContext context, LinearPart... parts) {
        this.context = context;
        this.parts = List.of(parts);
    }

    /**
     * Computes this rank's outputs of all layers.
     *
     * @param x [rows, inputs]
     */
    public void forward(Matrix x, int rows) {
        context.kernels().linear(x, rows, parts);
    }

    /**
     * Computes this rank's outputs of chosen rows of {@code x}.
     *
     * @param x [rows, inputs]
     * @param fromRows [count] rows of {@code x}
     * @param toRows [count] rows of every layer's outputs
     */
    void forwardRows(Matrix x, int[] fromRows, int[] toRows, int count) {
        context.kernels().linearRows(x, fromRows, parts, toRows, count);
    }
}
