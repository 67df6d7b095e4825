package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.Indexer;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Reads what only the {@code config.json} of DeepSeek-V3 and V3.2 has. */
final class DeepSeekSettings {
    /** Keys that change no token, with the reason. */
    static final Map<String, String> IGNORABLE = Map.of(
            "auto_map", "code for older versions of transformers",
            "aux_loss_alpha", "training only",
            "ep_size", "how it was run elsewhere",
            "seq_aux", "training only");

    private final Settings config;

    DeepSeekSettings(Settings config) {
        this.config = config;
    }

    /**
     * Sizes of attention.
     *
     * @param hasIndexer the family chooses the positions that a row attends to
     */
    Latent attention(boolean hasIndexer) {
        int heads = config.integer("num_attention_heads", 1, ModelLimits.HEADS);
        var sizes = new LatentSizes(
                config.integer("q_lora_rank", 1, ModelLimits.WIDTH),
                config.integer("kv_lora_rank", 1, ModelLimits.HEAD_DIM),
                config.integer("qk_nope_head_dim", 1, ModelLimits.HEAD_DIM),
                config.integer("qk_rope_head_dim", 1, ModelLimits.HEAD_DIM),
                config.integer("v_head_dim", 1, ModelLimits.HEAD_DIM));
        // what transformers writes beside them, for code that knows one head size only
        config.requireHarmless("num_key_value_heads", List.of(heads));
        config.requireHarmless("head_dim", List.of(sizes.rotary()));
        config.requireHarmless("qk_head_dim", List.of(sizes.query()));
        config.requireHarmless("rope_interleave", List.of(true));
        return new Latent(
                heads,
                sizes,
                RopeSettings.read(config, RopeSettings.Kind.YARN),
                hasIndexer ? Optional.of(indexer()) : Optional.empty());
    }

    private Indexer indexer() {
        return new Indexer(
                config.integer("index_n_heads", 1, ModelLimits.HEADS),
                config.integer("index_head_dim", 1, ModelLimits.HEAD_DIM),
                config.integer("index_topk", 1, ModelLimits.POSITIONS));
    }

    Experts experts() {
        config.requireHarmless("moe_layer_freq", List.of(1));
        config.requireHarmless("scoring_func", List.of("sigmoid"));
        config.requireHarmless("topk_method", List.of("noaux_tc"));
        int inner = config.integer("moe_intermediate_size", 1, ModelLimits.WIDTH);
        int shared = config.optionalInteger("n_shared_experts", 0, ModelLimits.WIDTH / inner)
                .orElse(0);
        return new Experts(
                config.integer("n_routed_experts", 1, ModelLimits.EXPERTS),
                config.integer("num_experts_per_tok", 1, ModelLimits.EXPERTS),
                inner,
                routing(),
                new DenseParts(config.integer("first_k_dense_replace", 0, ModelLimits.LAYERS), shared * inner));
    }

    private Routing routing() {
        return new Routing(
                Scoring.SIGMOID,
                config.flag("norm_topk_prob"),
                config.integer("n_group", 1, ModelLimits.EXPERTS),
                config.integer("topk_group", 1, ModelLimits.EXPERTS),
                config.decimal("routed_scaling_factor", 1e-6, 1e6));
    }
}
