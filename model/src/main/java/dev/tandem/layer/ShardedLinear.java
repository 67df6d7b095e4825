package dev.tandem.layer;

import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Shard;

/**
 * A linear layer of which this rank computes some output rows. The input is always whole, so every dot product is, and the shard is a
 * contiguous view of the mapped weight, with the scales of its rows where it is int8.
 */
public final class ShardedLinear {
    private final RankContext context;
    private final LinearWeight weight; // [outputs of this rank, in]

    /**
     * @param whole [out, in] of the model
     * @param shard output rows of this rank
     */
    public ShardedLinear(RankContext context, LinearWeight whole, Shard shard) {
        this.context = context;
        this.weight = whole.slice(shard.from(), shard.to());
    }

    /** The usual cut: equal consecutive parts of the output rows, one per rank. */
    public static ShardedLinear byRank(RankContext context, LinearWeight whole) {
        return new ShardedLinear(context, whole, context.rank().shard(whole.rows()));
    }

    /** No cut: every rank computes all outputs, where these are few or all ranks need them. */
    public static ShardedLinear replicated(RankContext context, LinearWeight whole) {
        return new ShardedLinear(context, whole, new Shard(0, whole.rows()));
    }

    /** Output rows of this rank. */
    public int outputs() {
        return weight.rows();
    }

    /**
     * Computes this rank's outputs into columns {@code [outColumn, outColumn + outputs())} of {@code out}.
     *
     * @param x [rows, in]
     * @param out [rows, at least outColumn + outputs()]
     */
    public void forward(Matrix x, int rows, Matrix out, int outColumn) {
        context.kernels().linear(x, rows, weight, out, outColumn);
    }

    /**
     * Computes this rank's outputs of chosen rows of {@code x} into rows {@code toRows} of {@code out}.
     *
     * @param fromRows [count] rows of {@code x}
     * @param toRows [count] rows of {@code out}
     */
    public void forwardRows(Matrix x, int[] fromRows, Matrix out, int[] toRows, int count) {
        context.kernels().linearRows(x, fromRows, weight, out, toRows, count);
    }

    /** This layer as a part of a loop over several, with its outputs in columns {@code [outColumn, outColumn + outputs())}. */
    public LinearPart into(Matrix out, int outColumn) {
        return new LinearPart(weight, out, outColumn);
    }

    /**
     * Computes this rank's outputs and gathers those of all ranks.
     *
     * @param x [rows, in], the same on every rank
     * @param out [rows, out], whole afterwards on every rank
     */
    public void forwardWhole(Matrix x, int rows, GatherBuffer out) {
        forward(x, rows, out.part(), 0);
        out.gather(context.collective(), rows);
    }
}
