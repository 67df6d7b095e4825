package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.parallel.Shard;

/** Scores all experts for every row and chooses among them. Whole on every rank: ranks of a group choose alike. */
final class Router {
    private final RankContext context;
    private final Tensor weight; // [experts, hidden]
    private final RoutingScratch scratch;

    Router(RankContext context, Tensor weight, RoutingScratch scratch) {
        this.context = context;
        this.weight = weight;
        this.scratch = scratch;
    }

    /** Choices of a share of the rows; valid until the next call on any router with this scratch. */
    ExpertChoice choose(Matrix x, int rows, Shard share) {
        Matrix probabilities = scratch.probabilities();
        context.kernels().linear(x, rows, weight, probabilities, 0, context.threads());
        context.kernels().softmax(probabilities, rows, weight.rows(), context.threads());
        scratch.choice().choose(probabilities, share);
        return scratch.choice();
    }
}
