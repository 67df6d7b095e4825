package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.parallel.Shard;

/** Scores all experts for every row and chooses among them. Whole on every rank: ranks of a group choose alike. */
final class Router {
    private final RankContext context;
    private final Tensor weight; // [experts, hidden]
    private final float[] correction; // [experts]
    private final RoutingScratch scratch;

    Router(RankContext context, RouterWeights weights, RoutingScratch scratch) {
        this.context = context;
        this.weight = weights.scores();
        this.correction = new float[weight.rows()];
        this.scratch = scratch;
        weights.correction()
                .ifPresent(tensor ->
                        context.kernels().widen(tensor.dtype(), tensor.data(), correction, correction.length));
    }

    /** Choices of a share of the rows; valid until the next call on any router with this scratch. */
    ExpertChoice choose(Matrix x, int rows, Shard share) {
        Matrix scores = scratch.scores();
        context.kernels().linear(x, rows, weight, scores, 0);
        switch (scratch.scoring()) {
            case SOFTMAX -> context.kernels().softmax(scores, rows, weight.rows());
            case SIGMOID -> PlainOperations.sigmoid(scores, rows, weight.rows());
        }
        scratch.choice().choose(scores, correction, share);
        return scratch.choice();
    }
}
