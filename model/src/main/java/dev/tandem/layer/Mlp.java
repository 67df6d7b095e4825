package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/** {@code down(silu(gate x) · up x)}: a dense feed-forward layer. */
public final class Mlp implements FeedForward {
    private final RankContext context;
    private final ShardedLinear gate;
    private final ShardedLinear up;
    private final ShardedLinear down;
    private final SwiGluScratch scratch;

    public Mlp(RankContext context, SwiGluWeights weights, SwiGluScratch scratch) {
        this.context = context;
        this.gate = ShardedLinear.byRank(context, weights.gate());
        this.up = ShardedLinear.byRank(context, weights.up());
        this.down = ShardedLinear.byRank(context, weights.down());
        this.scratch = scratch;
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        gate.forward(x, rows, scratch.gate().part(), 0);
        up.forward(x, rows, scratch.up(), 0);
        activate(rows, out);
    }

    /** The same for chosen rows of x; their results are rows 0..count-1 of {@code out}. */
    void forwardRows(Matrix x, int[] fromRows, int[] toRows, int count, GatherBuffer out) {
        gate.forwardRows(x, fromRows, scratch.gate().part(), toRows, count);
        up.forwardRows(x, fromRows, scratch.up(), toRows, count);
        activate(count, out);
    }

    /**
     * The same where this rank has the whole expert, into chosen rows of the result.
     *
     * @param packedRows 0, 1, 2, ...
     * @param out [rows, hidden], rows {@code toRows} overwritten
     */
    void forwardRows(Matrix x, int[] fromRows, int[] packedRows, int count, Matrix out, int[] toRows) {
        gate.forwardRows(x, fromRows, scratch.gate().part(), packedRows, count);
        up.forwardRows(x, fromRows, scratch.up(), packedRows, count);
        down.forwardRows(activated(count), packedRows, out, toRows, count);
    }

    private void activate(int rows, GatherBuffer out) {
        down.forwardWhole(activated(rows), rows, out);
    }

    private Matrix activated(int rows) {
        GatherBuffer inner = scratch.gate();
        context.kernels().siluMultiply(inner.part(), scratch.up(), rows, gate.outputs(), context.threads());
        inner.gather(context.collective(), rows);
        return inner.whole();
    }
}
