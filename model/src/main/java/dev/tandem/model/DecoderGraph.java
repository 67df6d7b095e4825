package dev.tandem.model;

import dev.tandem.kernel.Matrix;
import dev.tandem.layer.StepRows;
import dev.tandem.parallel.GatherBuffer;
import java.util.List;

/**
 * What a model family computes. There is one class per family, to be read from top to bottom: weights by their names in the checkpoint, then
 * what the rows of a pass go through, in order. {@link Decoder} cuts batches into passes and leads these through the graph. Owned by the
 * rank worker.
 */
sealed interface DecoderGraph permits LlamaGraph, Qwen3Graph, Qwen3MoeGraph, DeepSeekV3Graph, DeepSeekV32Graph {
    /**
     * Begins a pass.
     *
     * @param x [rows, hidden] residual stream, overwritten by the embeddings of the rows' tokens
     */
    void embed(StepRows rows, Matrix x);

    /** Decoder layers in the order in which rows pass them. */
    List<? extends Layer> layers();

    /**
     * Ends a pass for the rows that need logits.
     *
     * @param x [rows, hidden] rows of the residual stream, overwritten by their norm
     * @param logits [rows, vocabulary], whole afterwards on every rank
     */
    void logits(Matrix x, int rows, GatherBuffer logits);

    /**
     * One decoder layer. It works in two halves, so that what it caches can be sent off before it is finished. What it caches goes into
     * the pool first and is read back from there, as rounded, also for the rows of the running pass: so results do not depend on how a
     * prompt is cut.
     */
    interface Layer {
        /**
         * Stores what the rows add to the cache; afterwards it is in the pool, and what queries need waits in the workspace.
         *
         * @param x [rows, hidden] residual stream, left as it is
         */
        void store(Matrix x, StepRows rows);

        /**
         * Attends, and adds the outputs of attention and feed-forward to the residual stream.
         *
         * @param x [rows, hidden] residual stream
         */
        void finish(Matrix x, StepRows rows);
    }
}
