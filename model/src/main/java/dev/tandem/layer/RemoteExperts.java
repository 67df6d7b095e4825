package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Shard;
import java.util.Arrays;

/**
 * A mixture of experts under expert parallelism: experts live whole on ranks of the deployment. The ranks of a tensor-parallel group,
 * which all have the same rows, share them out; each sends its rows to the experts' owners, adds what comes back in ascending expert
 * order, and the group puts the rows together. The same products and the same sums as {@link MixtureOfExperts}.
 */
public final class RemoteExperts implements FeedForward {
    private final RankContext context;
    private final ExpertExchange exchange;
    private final Router router;
    private final int layer;
    private final RemoteExpertScratch scratch;

    /**
     * @param layer index of the decoder layer
     */
    public RemoteExperts(
            RankContext context,
            ExpertExchange exchange,
            RouterWeights router,
            int layer,
            RemoteExpertScratch scratch) {
        this.context = context;
        this.exchange = exchange;
        this.router = new Router(context, router, scratch.routing());
        this.layer = layer;
        this.scratch = scratch;
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        Shard share = context.collective().shareOfRows(rows);
        ExpertChoice choice = router.choose(x, rows, share);
        Matrix sum = out.whole();
        if (share.size() > 0) {
            Arrays.fill(sum.values(), sum.offset(share.from()), sum.offset(share.to()), 0f);
            ExpertRows packed = pack(x, choice);
            exchange.exchange(packed);
            add(choice, packed, sum);
        }
        context.collective().gatherRows(sum, rows);
    }

    private ExpertRows pack(Matrix x, ExpertChoice choice) {
        ExpertRows packed = scratch.rows();
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
        return packed;
    }

    private void add(ExpertChoice choice, ExpertRows packed, Matrix sum) {
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
