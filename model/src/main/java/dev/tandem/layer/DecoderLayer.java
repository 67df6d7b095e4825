package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/**
 * {@code x += attention(norm1(x)); x += feedForward(norm2(x))}. The two halves of attention are separate calls, so that the cache of a layer
 * can be sent off before the layer is finished.
 */
public final class DecoderLayer {
    private final RankContext context;
    private final RmsNorm attentionNorm;
    private final Attention attention;
    private final RmsNorm feedForwardNorm;
    private final FeedForward feedForward;

    public DecoderLayer(
            RankContext context,
            RmsNorm attentionNorm,
            Attention attention,
            RmsNorm feedForwardNorm,
            FeedForward feedForward) {
        this.context = context;
        this.attentionNorm = attentionNorm;
        this.attention = attention;
        this.feedForwardNorm = feedForwardNorm;
        this.feedForward = feedForward;
    }

    /**
     * First part: what the rows add to the cache goes into the pool.
     *
     * @param x [rows, hidden] residual stream, left as it is
     * @param normed [rows, hidden] overwritten
     */
    public void store(Matrix x, StepRows rows, Matrix normed) {
        attentionNorm.forward(x, rows.count(), normed);
        attention.store(normed, rows);
    }

    /**
     * Second part: attends, and adds both halves to the residual stream.
     *
     * @param x [rows, hidden] residual stream
     * @param normed [rows, hidden] overwritten
     * @param added [rows, hidden] overwritten
     */
    public void finish(Matrix x, StepRows rows, Matrix normed, GatherBuffer added) {
        int count = rows.count();
        attention.attend(rows, added);
        context.kernels().add(x, added.whole(), count);
        feedForwardNorm.forward(x, count, normed);
        feedForward.forward(normed, count, added);
        context.kernels().add(x, added.whole(), count);
    }
}
