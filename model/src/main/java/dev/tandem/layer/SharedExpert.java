package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/**
 * Experts that every row uses, beside those that a router chooses: computed at home as one dense layer, cut over the tensor-parallel group,
 * and added to the sum of the chosen ones.
 */
public final class SharedExpert implements FeedForward {
    private final RankContext context;
    private final FeedForward chosen;
    private final Mlp shared;
    private final GatherBuffer result; // [maxRows, hidden]

    /**
     * @param chosen the experts that a router chooses
     * @param weights of all shared experts, side by side in one layer
     */
    public SharedExpert(RankContext context, FeedForward chosen, SwiGluWeights weights, Workspace workspace) {
        this.context = context;
        this.chosen = chosen;
        this.shared = new Mlp(context, weights, workspace);
        this.result = workspace.gathered("shared result", weights.down().rows());
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        chosen.forward(x, rows, out);
        shared.forward(x, rows, result);
        context.add(out.whole(), result, rows);
    }
}
