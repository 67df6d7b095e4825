package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;

/** The second half of a decoder layer, in which every row is computed on its own. */
public sealed interface FeedForward permits Mlp, MixtureOfExperts, RemoteExperts, SharedExpert {
    /**
     * Computes rows of x and leaves x as it is.
     *
     * @param x [rows, hidden], normed
     * @param out [rows, hidden], overwritten; whole afterwards on every rank
     */
    void forward(Matrix x, int rows, GatherBuffer out);
}
