package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.RopeScaling;
import dev.tandem.checkpoint.ModelConfig.Routing;
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
        switch (config.attention()) {
            case GroupedQuery attention -> checkGrouped(place, attention);
            case Latent attention -> checkLatent(place, attention);
        }
        config.feedForward().experts().ifPresent(experts -> checkExperts(place, experts));
        config.attention().rope().scaling().ifPresent(scaling -> checkScaling(place, scaling));
        return config;
    }

    private static void checkGrouped(Path place, GroupedQuery attention) {
        if (attention.heads() % attention.kvHeads() != 0) {
            throw CheckpointException.refuse(
                    place, "key/value heads", "a divisor of " + attention.heads() + " heads", attention.kvHeads());
        }
        requireEven(place, "head size", attention.headDim());
    }

    private static void checkLatent(Path place, Latent attention) {
        int rotary = attention.sizes().rotary();
        requireEven(place, "qk_rope_head_dim", rotary);
        attention.indexer().ifPresent(indexer -> {
            if (indexer.headDim() < rotary) {
                throw CheckpointException.refuse(
                        place, "index_head_dim", "at least qk_rope_head_dim " + rotary, indexer.headDim());
            }
        });
    }

    private static void requireEven(Path place, String key, int size) {
        if (size % 2 != 0) {
            throw CheckpointException.refuse(place, key, "an even number", size);
        }
    }

    private static void checkExperts(Path place, Experts experts) {
        Routing routing = experts.routing();
        if (experts.count() % routing.groups() != 0) {
            throw CheckpointException.refuse(
                    place, "n_group", "a divisor of " + experts.count() + " experts", routing.groups());
        }
        int groupSize = experts.count() / routing.groups();
        if (routing.groups() > 1 && groupSize < 2) {
            throw CheckpointException.refuse(
                    place,
                    "n_group",
                    "groups of at least 2 experts, for a group's score is that of its two best",
                    groupSize);
        }
        if (routing.keptGroups() > routing.groups()) {
            throw CheckpointException.refuse(
                    place, "topk_group", "at most n_group " + routing.groups(), routing.keptGroups());
        }
        int eligible = groupSize * routing.keptGroups();
        if (experts.active() > eligible) {
            throw CheckpointException.refuse(place, "experts a token", "at most " + eligible, experts.active());
        }
    }

    private static void checkScaling(Path place, RopeScaling scaling) {
        if (scaling instanceof Llama3Scaling llama3 && llama3.highFrequencyFactor() <= llama3.lowFrequencyFactor()) {
            throw CheckpointException.refuse(
                    place,
                    "high_freq_factor",
                    "more than low_freq_factor " + llama3.lowFrequencyFactor(),
                    llama3.highFrequencyFactor());
        }
    }
}
