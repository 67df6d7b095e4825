package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Attention;
import java.nio.file.Path;

/** Largest values that a configuration may claim, so that products of two fit an int, and relations between values. */
final class ModelLimits {
    static final int LAYERS = 4096;
    static final int WIDTH = 1 << 20;
    static final int VOCABULARY = 1 << 24;
    static final int POSITIONS = 1 << 30;
    static final int HEADS = 4096;
    static final int HEAD_DIM = 4096;
    static final int EXPERTS = 1 << 16;

    private ModelLimits() {}

    /** Refuses values that each are in range but cannot go together; {@code place} is the file that they come from. */
    static ModelConfig check(Path place, ModelConfig config) {
        Attention attention = config.attention();
        if (attention.heads() % attention.kvHeads() != 0) {
            throw CheckpointException.refuse(
                    place, "key/value heads", "a divisor of " + attention.heads() + " heads", attention.kvHeads());
        }
        if (attention.headDim() % 2 != 0) {
            throw CheckpointException.refuse(place, "head size", "an even number", attention.headDim());
        }
        config.feedForward().experts().ifPresent(experts -> {
            if (experts.active() > experts.count()) {
                throw CheckpointException.refuse(
                        place, "experts a token", "at most " + experts.count(), experts.active());
            }
        });
        attention.ropeScaling().ifPresent(scaling -> {
            if (scaling.highFrequencyFactor() <= scaling.lowFrequencyFactor()) {
                throw CheckpointException.refuse(
                        place,
                        "high_freq_factor",
                        "more than low_freq_factor " + scaling.lowFrequencyFactor(),
                        scaling.highFrequencyFactor());
            }
        });
        return config;
    }
}
