package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.Attention;
import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.FeedForward;
import dev.tandem.checkpoint.ModelConfig.GenerationDefaults;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Tokens;
import dev.tandem.kernel.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Reads {@code config.json} and {@code generation_config.json}. Every key is read, or has a value that changes nothing, or stands on a
 * list of ignorable keys; anything else is refused. Defaults of absent keys are those of transformers. Keys of transformers 5 ({@code
 * dtype}, {@code rope_parameters}) are read beside the older ones ({@code torch_dtype}, {@code rope_theta}, {@code rope_scaling}).
 */
final class HuggingFaceConfig {
    private static final int MAX_BYTES = 1 << 20;

    /** Keys that change no token, with the reason. */
    private static final Map<String, String> IGNORABLE = Map.ofEntries(
            Map.entry("_name_or_path", "where it was copied from"),
            Map.entry("attention_dropout", "training only"),
            Map.entry("initializer_range", "training only"),
            Map.entry("max_window_layers", "counts only with use_sliding_window, which is refused"),
            Map.entry("output_attentions", "what transformers returns beside the logits"),
            Map.entry("output_hidden_states", "what transformers returns beside the logits"),
            Map.entry("output_router_logits", "what transformers returns beside the logits"),
            Map.entry("pad_token_id", "batches are never padded"),
            Map.entry("return_dict", "what transformers returns beside the logits"),
            Map.entry("router_aux_loss_coef", "training only"),
            Map.entry("transformers.js_config", "another program's"),
            Map.entry("transformers_version", "what it was written with"),
            Map.entry("use_cache", "there is always a cache"));

    /** Keys that may only say that a variant is not used. */
    private static final Map<String, List<?>> HARMLESS = Map.ofEntries(
            Map.entry("attention_bias", List.of(false)),
            Map.entry("decoder_sparse_step", List.of(1)),
            Map.entry("hidden_act", List.of("silu")),
            Map.entry("is_llama_config", List.of(true)),
            Map.entry("mlp_bias", List.of(false)),
            Map.entry("mlp_only_layers", List.of(List.of())),
            Map.entry("partial_rotary_factor", List.of(1.0)),
            Map.entry("pretraining_tp", List.of(1)),
            Map.entry("rope_interleaved", List.of(false)),
            Map.entry("use_sliding_window", List.of(false)));

    /** Keys of {@code generation_config.json} that change no token, with the reason. */
    private static final Map<String, String> IGNORABLE_GENERATION = Map.of(
            "_from_model_config", "how it was written",
            "cache_implementation", "transformers' own memory",
            "do_sample", "sampling follows temperature, as in vLLM",
            "max_length", "the server has its own limits",
            "max_new_tokens", "the server has its own limits",
            "pad_token_id", "batches are never padded",
            "transformers_version", "what it was written with",
            "use_cache", "there is always a cache");

    /** Read also where they are null. */
    private static final List<String> HEAD_KEYS = List.of("head_dim", "num_key_value_heads");

    private final Settings config;
    private final Settings generation;
    private final Architecture architecture;

    private HuggingFaceConfig(Settings config, Settings generation) {
        this.config = config;
        this.generation = generation;
        this.architecture = architecture();
    }

    /**
     * The configuration of a folder.
     *
     * @param type stored type of the embedding, which stands in where the configuration names none
     * @param isQuantised a ModelSlim description lies beside it; ModelSlim then puts the key {@code quantize} into the configuration
     */
    static ModelConfig read(Path folder, DType type, boolean isQuantised) {
        Path file = folder.resolve("config.json");
        Path generationFile = folder.resolve("generation_config.json");
        var config = new Settings(file, JsonText.object(file, MAX_BYTES));
        var generation = new Settings(
                generationFile, Files.exists(generationFile) ? JsonText.object(generationFile, MAX_BYTES) : Map.of());
        return read(config, generation, type, isQuantised);
    }

    static ModelConfig read(Settings config, Settings generation, DType type, boolean isQuantised) {
        config.requireHarmless("quantize", isQuantised ? List.of("w8a8", "w8a8_dynamic") : List.of());
        return new HuggingFaceConfig(config, generation).read(type);
    }

    private ModelConfig read(DType type) {
        int vocabulary = config.integer("vocab_size", 1, ModelLimits.VOCABULARY);
        var read = new ModelConfig(
                architecture,
                config.integer("num_hidden_layers", 1, ModelLimits.LAYERS),
                isDeepSeek()
                        ? config.optionalInteger("num_nextn_predict_layers", 0, ModelLimits.LAYERS)
                                .orElse(0)
                        : 0,
                config.integer("hidden_size", 1, ModelLimits.WIDTH),
                vocabulary,
                config.integer("max_position_embeddings", 1, ModelLimits.POSITIONS),
                (float) config.decimal("rms_norm_eps", 1e-12, 1),
                config.optionalFlag("tie_word_embeddings").orElse(false),
                dtype().orElse(type),
                attention(),
                feedForward(),
                tokens(vocabulary));
        refuseVariants();
        var ignorable = new HashMap<>(IGNORABLE);
        if (isDeepSeek()) {
            ignorable.putAll(DeepSeekSettings.IGNORABLE);
        }
        config.refuseUnread(ignorable);
        generation.refuseUnread(IGNORABLE_GENERATION);
        return ModelLimits.check(config.file(), read);
    }

    private Architecture architecture() {
        List<?> names = config.list("architectures");
        Architecture named = switch (names.size() == 1 ? String.valueOf(names.getFirst()) : "") {
            case "LlamaForCausalLM" -> Architecture.LLAMA;
            case "Qwen3ForCausalLM" -> Architecture.QWEN3;
            case "Qwen3MoeForCausalLM" -> Architecture.QWEN3_MOE;
            case "DeepseekV3ForCausalLM" -> Architecture.DEEPSEEK_V3;
            case "DeepseekV32ForCausalLM" -> Architecture.DEEPSEEK_V32;
            default ->
                throw config.refuse(
                        "architectures",
                        "one of LlamaForCausalLM, Qwen3ForCausalLM, Qwen3MoeForCausalLM, DeepseekV3ForCausalLM,"
                                + " DeepseekV32ForCausalLM");
        };
        String type = switch (named) {
            case LLAMA -> "llama";
            case QWEN3 -> "qwen3";
            case QWEN3_MOE -> "qwen3_moe";
            case DEEPSEEK_V3 -> "deepseek_v3";
            case DEEPSEEK_V32 -> "deepseek_v32";
        };
        if (!config.text("model_type").equals(type)) {
            throw config.refuse("model_type", type + " (the architecture is " + names.getFirst() + ")");
        }
        return named;
    }

    private boolean isDeepSeek() {
        return architecture == Architecture.DEEPSEEK_V3 || architecture == Architecture.DEEPSEEK_V32;
    }

    private Optional<DType> dtype() {
        Optional<DType> older = dtype("torch_dtype");
        Optional<DType> newer = dtype("dtype");
        if (older.isPresent() && newer.isPresent() && !older.equals(newer)) {
            throw config.refuse("dtype", "the same as torch_dtype");
        }
        return newer.or(() -> older);
    }

    private Optional<DType> dtype(String key) {
        return config.optionalText(key).map(name -> switch (name) {
            case "bfloat16" -> DType.BF16;
            case "float16" -> DType.F16;
            case "float32" -> DType.F32;
            default -> throw config.refuse(key, "bfloat16, float16 or float32");
        });
    }

    private Attention attention() {
        return isDeepSeek()
                ? new DeepSeekSettings(config).attention(architecture == Architecture.DEEPSEEK_V32)
                : groupedQuery();
    }

    private GroupedQuery groupedQuery() {
        int heads = config.integer("num_attention_heads", 1, ModelLimits.HEADS);
        boolean isLlama = architecture == Architecture.LLAMA;
        // transformers gives Qwen3 defaults that no published model has: better to ask for the keys
        int kvHeads = isLlama && !config.has("num_key_value_heads")
                ? heads
                : config.integer("num_key_value_heads", 1, ModelLimits.HEADS);
        int headDim = isLlama && !config.has("head_dim")
                ? derivedHeadDim(heads)
                : config.integer("head_dim", 1, ModelLimits.HEAD_DIM);
        HEAD_KEYS.forEach(key -> config.optionalInteger(key, 1, ModelLimits.HEAD_DIM));
        Rope rope = RopeSettings.read(config, RopeSettings.Kind.LLAMA3);
        return new GroupedQuery(heads, kvHeads, headDim, !isLlama, rope);
    }

    private int derivedHeadDim(int heads) {
        int hidden = config.integer("hidden_size", 1, ModelLimits.WIDTH);
        if (hidden % heads != 0 || hidden / heads > ModelLimits.HEAD_DIM) {
            throw config.refuse("head_dim", "a head size (width " + hidden + " over " + heads + " heads gives none)");
        }
        return hidden / heads;
    }

    private FeedForward feedForward() {
        int inner = config.integer("intermediate_size", 1, ModelLimits.WIDTH);
        Optional<Experts> experts = switch (architecture) {
            case LLAMA, QWEN3 -> Optional.empty();
            case QWEN3_MOE -> Optional.of(qwenExperts());
            case DEEPSEEK_V3, DEEPSEEK_V32 -> Optional.of(new DeepSeekSettings(config).experts());
        };
        return new FeedForward(inner, experts);
    }

    private Experts qwenExperts() {
        return new Experts(
                config.integer("num_experts", 1, ModelLimits.EXPERTS),
                config.integer("num_experts_per_tok", 1, ModelLimits.EXPERTS),
                config.integer("moe_intermediate_size", 1, ModelLimits.WIDTH),
                Routing.softmax(config.flag("norm_topk_prob")),
                DenseParts.NONE);
    }

    private Tokens tokens(int vocabulary) {
        int last = vocabulary - 1;
        Optional<Integer> begin = config.optionalInteger("bos_token_id", 0, last);
        Optional<Integer> generationBegin = generation.optionalInteger("bos_token_id", 0, last);
        List<Integer> ends = Stream.concat(
                        config.integers("eos_token_id", 0, last).stream(),
                        generation.integers("eos_token_id", 0, last).stream())
                .distinct()
                .toList();
        var defaults = new GenerationDefaults(
                generation.optionalDecimal("temperature", 0, 100),
                generation.optionalDecimal("top_p", 0, 1),
                generation.optionalInteger("top_k", 0, Integer.MAX_VALUE),
                generation.optionalDecimal("min_p", 0, 1),
                generation.optionalDecimal("repetition_penalty", 1e-3, 1e3));
        return new Tokens(begin.or(() -> generationBegin), ends, defaults);
    }

    private void refuseVariants() {
        HARMLESS.forEach(config::requireHarmless);
        config.group("quantization_config").ifPresent(format -> {
            throw config.refuse(
                    "quantization_config",
                    "none (fp8 and other formats of transformers are not implemented: convert the weights to bfloat16,"
                            + " or take a W8A8 checkpoint of ModelSlim)");
        });
        if (config.has("layer_types")) {
            for (Object type : config.list("layer_types")) {
                if (!type.equals("full_attention")) {
                    throw config.refuse("layer_types", "full_attention everywhere");
                }
            }
        }
        if (architecture == Architecture.LLAMA || isDeepSeek()) {
            config.requireHarmless("sliding_window", List.of());
        } else {
            // Qwen's configurations carry a window that counts only with use_sliding_window
            config.optionalInteger("sliding_window", 0, Integer.MAX_VALUE);
        }
        for (String key : List.of("num_beams", "num_return_sequences")) {
            generation.requireHarmless(key, List.of(1));
        }
    }
}
