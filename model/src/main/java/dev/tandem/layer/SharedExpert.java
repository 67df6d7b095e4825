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
    private final GatherBuffer result; // [rows, hidden]

    /**
     * @param chosen the experts that a router chooses
     * @param result scratch [rows, hidden], shared by all layers of a rank
     */
    public SharedExpert(RankContext context, FeedForward chosen, Mlp shared, GatherBuffer result) {
        this.context = context;
        this.chosen = chosen;
        this.shared = shared;
        this.result = result;
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        chosen.forward(x, rows, out);
        shared.forward(x, rows, result);
        context.kernels().add(out.whole(), result.whole(), rows);
    }
}
