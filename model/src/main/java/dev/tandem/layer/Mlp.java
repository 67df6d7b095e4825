package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/** {@code down(silu(gate x) · up x)}: a dense feed-forward layer. */
public final class Mlp implements FeedForward {
    private final RankContext context;
    private final LinearGroup gateAndUp;
    private final int inner; // of this rank
    private final ShardedLinear down;
    private final SwiGluScratch scratch;

    public Mlp(RankContext context, SwiGluWeights weights, SwiGluScratch scratch) {
        this.context = context;
        ShardedLinear gate = ShardedLinear.byRank(context, weights.gate());
        ShardedLinear up = ShardedLinear.byRank(context, weights.up());
        this.gateAndUp = new LinearGroup(context, gate.into(scratch.gate().part(), 0), up.into(scratch.up(), 0));
        this.inner = gate.outputs();
        this.down = ShardedLinear.byRank(context, weights.down());
        this.scratch = scratch;
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        gateAndUp.forward(x, rows);
        activate(rows, out);
    }

    /** The same for chosen rows of x; their results are rows 0..count-1 of {@code out}. */
    void forwardRows(Matrix x, int[] fromRows, int[] toRows, int count, GatherBuffer out) {
        gateAndUp.forwardRows(x, fromRows, toRows, count);
        activate(count, out);
    }

    /**
     * The same where this rank has the whole expert, into chosen rows of the result.
     *
     * @param packedRows 0, 1, 2, ...
     * @param out [rows, hidden], rows {@code toRows} overwritten
     */
    void forwardRows(Matrix x, int[] fromRows, int[] packedRows, int count, Matrix out, int[] toRows) {
        gateAndUp.forwardRows(x, fromRows, packedRows, count);
        down.forwardRows(activated(count), packedRows, out, toRows, count);
    }

    private void activate(int rows, GatherBuffer out) {
        down.forwardWhole(activated(rows), rows, out);
    }

    private Matrix activated(int rows) {
        GatherBuffer gate = scratch.gate();
        context.kernels().siluMultiply(gate.part(), scratch.up(), rows, inner);
        gate.gather(context.collective(), rows);
        return gate.whole();
    }
}
