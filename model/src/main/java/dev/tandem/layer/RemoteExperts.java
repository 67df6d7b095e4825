package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Shard;
import java.util.Arrays;

/**
 * A mixture of experts under expert parallelism: experts live whole on ranks of the deployment. The ranks of a tensor-parallel group,
 * which all have the same rows, divide them among themselves; each sends its rows to the experts' owners, adds what comes back in
 * ascending expert order, and the group puts the rows together. Products and sums are the same as those of {@link MixtureOfExperts}.
 */
final class RemoteExperts implements FeedForward {
    private final RankContext context;
    private final ExpertExchange exchange;
    private final Router router;
    private final int layer;
    private final ExpertRows packed; // rows on their way, one per row and expert that it chose

    /** @param layer index of the decoder layer */
    RemoteExperts(
            RankContext context,
            ExpertExchange exchange,
            Router router,
            int layer,
            int hiddenSize,
            Workspace workspace) {
        this.context = context;
        this.exchange = exchange;
        this.router = router;
        this.layer = layer;
        this.packed = workspace.expertRows(router.choice(), hiddenSize);
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        Shard share = context.collective().shareOfRows(rows);
        ExpertChoice choice = router.choose(x, rows, share);
        Matrix sum = out.whole();
        if (share.size() > 0) {
            Arrays.fill(sum.values(), sum.offset(share.from()), sum.offset(share.to()), 0f);
            pack(x, choice);
            exchange.exchange(packed);
            add(choice, sum);
        }
        context.collective().gatherRows(sum, rows);
    }

    private void pack(Matrix x, ExpertChoice choice) {
        packed.begin(layer);
        for (int expert = 0; expert < packed.experts(); expert++) {
            int count = choice.rowCount(expert);
            int first = packed.count(expert, count);
            for (int i = 0; i < count; i++) {
                System.arraycopy(
                        x.values(),
                        x.offset(choice.row(expert, i)),
                        packed.x().values(),
                        packed.x().offset(first + i),
                        x.columns());
            }
        }
    }

    private void add(ExpertChoice choice, Matrix sum) {
        for (int expert = 0; expert < packed.experts(); expert++) {
            int first = packed.firstRow(expert);
            for (int i = 0; i < choice.rowCount(expert); i++) {
                context.kernels()
                        .addScaledRow(
                                sum, choice.row(expert, i), choice.weight(expert, i), packed.results(), first + i);
            }
        }
    }
}
