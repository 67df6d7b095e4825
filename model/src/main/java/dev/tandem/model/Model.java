package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.util.function.IntConsumer;

/** One shard of a model on one rank. Not thread-safe: its rank worker is the only caller. */
public interface Model extends AutoCloseable {
    /** The whole model's configuration. */
    ModelConfig config();

    /** Planes that this shard caches, for a block size and a cache type. */
    KvLayout kvLayout(int blockSize, DType kvDtype);

    /**
     * Runs one batch: writes keys and values of every row into the pool, attends, and computes the logits that the batch asks for.
     *
     * @param batch rows of several sequences; each chunk continues where its sequence's cache ends
     * @param pool blocks named by the batch's block tables
     * @param afterLayer called with the layer's index when all of that layer's keys and values of this batch are in the pool
     * @param check called between layers at least, and where a rank computes alone very often, by any of its threads; what it throws ends the
     *     step, whose rows then count as not computed
     * @return [batch.logitRows(), vocabulary] in the order of the chunks; valid until the next call
     */
    Matrix forward(TokenBatch batch, KvPool pool, IntConsumer afterLayer, Runnable check);

    /** Frees what the model holds itself; mapped weights belong to the checkpoint. */
    @Override
    void close();
}
