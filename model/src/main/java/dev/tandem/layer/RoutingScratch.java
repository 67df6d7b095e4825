package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import dev.tandem.kernel.Matrix;

/**
 * Scratch of routers, shared by all layers of a rank.
 *
 * @param scoring from logits to scores
 * @param scores [rows, experts]
 * @param choice of the running layer
 */
record RoutingScratch(Scoring scoring, Matrix scores, ExpertChoice choice) {
    static RoutingScratch of(int rows, Experts experts) {
        return new RoutingScratch(
                experts.routing().scoring(), Matrix.of(rows, experts.count()), new ExpertChoice(rows, experts));
    }
}
