package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.parallel.GatherBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A router chooses a few experts for every row; their outputs are added with the router's weights. Probabilities are a softmax over all
 * experts (Qwen3-MoE). Experts run one after the other over the rows that chose them and are added in ascending order, so a row's
 * sum never depends on what else is in the batch.
 */
public final class MixtureOfExperts implements FeedForward {
    private final RankContext context;
    private final Tensor router; // [experts, hidden], whole on every rank
    private final List<Mlp> experts = new ArrayList<>();
    private final ExpertScratch scratch;

    public MixtureOfExperts(RankContext context, Tensor router, List<SwiGluWeights> experts, ExpertScratch scratch) {
        this.context = context;
        this.router = router;
        this.scratch = scratch;
        for (SwiGluWeights weights : experts) {
            this.experts.add(new Mlp(context, weights, scratch.inner));
        }
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        context.kernels().linear(x, rows, router, scratch.probabilities, 0, context.threads());
        context.kernels().softmax(scratch.probabilities, rows, router.rows(), context.threads());
        scratch.choice.choose(scratch.probabilities, rows);
        Matrix sum = out.whole();
        Arrays.fill(sum.values(), 0, sum.offset(rows), 0f);
        for (int expert = 0; expert < experts.size(); expert++) {
            addExpert(x, expert, sum);
        }
    }

    private void addExpert(Matrix x, int expert, Matrix sum) {
        ExpertChoice choice = scratch.choice;
        int count = choice.rowCount(expert);
        if (count == 0) {
            return;
        }
        choice.copyRows(expert, scratch.fromRows);
        experts.get(expert).forwardRows(x, scratch.fromRows, scratch.packedRows, count, scratch.result);
        for (int i = 0; i < count; i++) {
            context.kernels()
                    .addScaledRow(sum, choice.row(expert, i), choice.weight(expert, i), scratch.result.whole(), i);
        }
    }
}
