package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/** {@code down(silu(gate x) · up x)} (SwiGLU, arXiv:2002.05202, section 2): a dense feed-forward layer, or one expert. */
public final class Mlp implements FeedForward {
    private final RankContext context;
    private final GatherBuffer gate; // [maxRows, inner], after the activation function the input of down
    private final Matrix up; // [maxRows, inner of this rank]
    private final LinearGroup gateAndUp;
    private final ShardedLinear down;
    private final int[] packedRows; // [maxRows] 0, 1, 2, ...

    public Mlp(RankContext context, SwiGluWeights weights, Workspace workspace) {
        ShardedLinear gateLinear = ShardedLinear.byRank(context, weights.gate());
        ShardedLinear upLinear = ShardedLinear.byRank(context, weights.up());
        this.context = context;
        this.gate = workspace.gathered("gate", weights.gate().rows());
        this.up = workspace.matrix("up", upLinear.outputs());
        this.gateAndUp = new LinearGroup(context, gateLinear.into(gate.part(), 0), upLinear.into(up, 0));
        this.down = ShardedLinear.byRank(context, weights.down());
        this.packedRows = workspace.rowNumbers();
    }

    @Override
    public void forward(Matrix x, int rows, GatherBuffer out) {
        gateAndUp.forward(x, rows);
        down.forwardWhole(activated(rows), rows, out);
    }

    /** Computes chosen rows of x, whose results are packed in rows 0..count-1 of {@code out}. */
    void forwardRows(Matrix x, int[] fromRows, int count, GatherBuffer out) {
        gateAndUp.forwardRows(x, fromRows, packedRows, count);
        down.forwardWhole(activated(count), count, out);
    }

    /**
     * Computes chosen rows of x where this rank has the whole expert.
     *
     * @param out [rows, hidden], rows {@code toRows} overwritten
     */
    void forwardRows(Matrix x, int[] fromRows, int count, Matrix out, int[] toRows) {
        gateAndUp.forwardRows(x, fromRows, packedRows, count);
        down.forwardRows(activated(count), packedRows, out, toRows, count);
    }

    private Matrix activated(int rows) {
        context.kernels().siluMultiply(gate.part(), up, rows, up.columns());
        gate.gather(context.collective(), rows);
        return gate.whole();
    }
}
