package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.kernel.Matrix;

/**
 * Scratch of routers, shared by all layers of a rank.
 *
 * @param probabilities [rows, experts]
 * @param choice of the running layer
 */
record RoutingScratch(Matrix probabilities, ExpertChoice choice) {
    static RoutingScratch of(int rows, Experts experts) {
        return new RoutingScratch(
                Matrix.of(rows, experts.count()),
                new ExpertChoice(rows, experts.count(), experts.active(), experts.normalisesWeights()));
    }
}
