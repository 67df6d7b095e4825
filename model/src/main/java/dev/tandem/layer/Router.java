package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.parallel.Shard;

/** Scores all experts for every row and chooses among them. The router is whole on every rank, so that all ranks of a group
 * make the same choice. */
public final class Router {
    private final RankContext context;
    private final Tensor weight; // [experts, hidden]
    private final float[] correction; // [experts] added to scores for the choice only
    private final ExpertChoice choice;
    private final Matrix scores; // [maxRows, experts]

    /**
     * A router that chooses by scores alone.
     *
     * @param weight [experts, hidden]
     * @param choice shared by all layers of a rank
     */
    public Router(RankContext context, Tensor weight, ExpertChoice choice, Workspace workspace) {
        this.context = context;
        this.weight = weight;
        this.correction = new float[weight.rows()];
        this.choice = choice;
        this.scores = workspace.matrix("router scores", weight.rows());
    }

    /**
     * A router that corrects scores before it chooses.
     *
     * @param correction [experts], added to scores for the choice, not for the weight that an expert gets
     */
    public Router(RankContext context, Tensor weight, Tensor correction, ExpertChoice choice, Workspace workspace) {
        this(context, weight, choice, workspace);
        context.kernels().widen(correction.dtype(), correction.data(), this.correction, this.correction.length);
    }

    /** What {@link #choose} fills. */
    ExpertChoice choice() {
        return choice;
    }

    /**
     * Chooses experts for a share of the rows; valid until the next layer's router chooses.
     *
     * @param x [rows, hidden], normed
     */
    ExpertChoice choose(Matrix x, int rows, Shard share) {
        context.kernels().linear(x, rows, weight, scores, 0);
        switch (choice.scoring()) {
            case SOFTMAX -> context.kernels().softmax(scores, rows, weight.rows());
            case SIGMOID -> PlainOperations.sigmoid(scores, rows, weight.rows());
        }
        choice.choose(scores, correction, share);
        return choice;
    }
}
