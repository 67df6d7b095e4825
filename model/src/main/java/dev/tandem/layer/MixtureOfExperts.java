package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Shard;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A router chooses a few experts for every row; their outputs are added with the router's weights. Experts run one after the other over
 * the rows that chose them and are added in ascending order, so a row's sum never depends on what else is in the batch, nor on who
 * computed it.
 *
 * <p>This form cuts every expert over the tensor-parallel group; {@link RemoteExperts} is the one for expert parallelism.
 */
public final class MixtureOfExperts implements FeedForward {
    private final RankContext context;
    private final Router router;
    private final List<Mlp> experts = new ArrayList<>();
    private final GatherBuffer result; // [maxRows, hidden] of one expert, rows packed

    private MixtureOfExperts(
            RankContext context, Router router, List<SwiGluWeights> experts, int hiddenSize, Workspace workspace) {
        this.context = context;
        this.router = router;
        for (SwiGluWeights weights : experts) {
            this.experts.add(new Mlp(context, weights, workspace));
        }
        this.result = workspace.gathered("expert result", hiddenSize);
    }

    /**
     * One layer's mixture, in the form that the rank's context asks for.
     *
     * @param experts all experts of the layer, whole; under expert parallelism their owners have them from the same checkpoint
     * @param layer index of the decoder layer
     */
    public static FeedForward of(
            RankContext context, Router router, List<SwiGluWeights> experts, int layer, Workspace workspace) {
        int hiddenSize = experts.getFirst().gate().columns();
        if (context.experts().isPresent()) {
            ExpertExchange exchange = context.experts().get();
            return new RemoteExperts(context, exchange, router, layer, hiddenSize, workspace);
        }
        return new MixtureOfExperts(context, router, experts, hiddenSize, workspace);
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        ExpertChoice choice = router.choose(x, rows, new Shard(0, rows));
        Matrix sum = out.whole();
        Arrays.fill(sum.values(), 0, sum.offset(rows), 0f);
        for (int expert = 0; expert < experts.size(); expert++) {
            addExpert(x, choice, expert, sum);
        }
    }

    private void addExpert(Matrix x, ExpertChoice choice, int expert, Matrix sum) {
        int count = choice.rowCount(expert);
        if (count == 0) {
            return;
        }
        experts.get(expert).forwardRows(x, choice.rowsOf(expert), count, result);
        for (int i = 0; i < count; i++) {
            context.kernels().addScaledRow(sum, choice.row(expert, i), choice.weight(expert, i), result.whole(), i);
        }
    }
}
