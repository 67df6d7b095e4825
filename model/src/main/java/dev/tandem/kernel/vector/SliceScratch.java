package dev.tandem.kernel.vector;

import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.scalar.Lanes;

/**
 * Scratch memory of one slice of a kernel loop: taken on first use, kept, and grown only when a larger call comes. Owned by the thread
 * that runs the slice. Contents do not outlive a call.
 */
final class SliceScratch {
    private static final float[] NOTHING = {};

    /** Unreduced lanes: [16 sums, 16]. */
    final float[] lanes = new float[Lanes.COUNT * Lanes.COUNT];

    /** Finished sums of one tile: [16]. */
    final float[] sums = new float[Lanes.COUNT];

    /** Counters of {@link SelectedPositions#selectBest}. */
    final int[] histogram = new int[SelectedPositions.HISTOGRAM];

    /** Unreduced lanes as ints: [16 sums, 16]. */
    final int[] wholeLanes = new int[Lanes.COUNT * Lanes.COUNT];

    /** Finished whole-number sums of one tile: [16]. */
    final int[] wholeSums = new int[Lanes.COUNT];

    /** Scales of the outputs of one claim. */
    final float[] outputScales = new float[Int8Task.MOST_OUTPUTS];

    /** Biases beside them. */
    final int[] outputBiases = new int[Int8Task.MOST_OUTPUTS];

    /** The scales of one claim, as the tiles of a panel need them: [tiles, 4 rows, 4 outputs]. */
    final float[] tileScales = new float[Int8Task.MOST_PANEL_OUTPUTS * VectorTile.SIDE];

    /** Biases beside them. */
    final int[] tileBiases = new int[Int8Task.MOST_PANEL_OUTPUTS * VectorTile.SIDE];

    /** The queries that an attention takes together. */
    final AttentionTask.Queries queries = new AttentionTask.Queries();

    private float[] widened = NOTHING;
    private float[] scores = NOTHING;
    private float[] mixed = NOTHING;

    /** Weights, keys or values widened to float32. */
    float[] widened(int floats) {
        if (widened.length < floats) {
            widened = new float[floats];
        }
        return widened;
    }

    /** Attention scores of a few queries. */
    float[] scores(int floats) {
        if (scores.length < floats) {
            scores = new float[Math.max(floats, 2 * scores.length)];
        }
        return scores;
    }

    /** Attention results of a few queries. */
    float[] mixed(int floats) {
        if (mixed.length < floats) {
            mixed = new float[floats];
        }
        return mixed;
    }
}
