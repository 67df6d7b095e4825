package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/**
 * The first half of a decoder layer. What it caches goes into the pool first and is read back from there, as rounded, also for the rows of
 * the running pass: so results do not depend on how a prompt is cut.
 */
public sealed interface Attention permits GroupedQueryAttention, LatentAttention {
    /**
     * Stores what the rows add to the cache; afterwards it is in the pool, and what queries need waits in the scratch.
     *
     * @param x [rows, hidden], normed
     */
    void store(Matrix x, StepRows rows);

    /**
     * Attends with the stored queries.
     *
     * @param out [rows, hidden], overwritten; whole afterwards on every rank
     */
    void attend(StepRows rows, GatherBuffer out);
}
