package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.FeedForward;
import dev.tandem.checkpoint.ModelConfig.GenerationDefaults;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Tokens;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Reads a model's configuration out of GGUF metadata. Every key is read, or has a value that changes nothing, or stands on a list of
 * ignorable keys; anything else is refused. Defaults of absent keys are llama.cpp's.
 */
final class GgufConfig {
    /** Keys that are not part of the model's graph, with the reason; a dot at the end stands for all keys under it. */
    private static final Map<String, String> IGNORABLE = Map.of(
            "general.", "describes the file; architecture, alignment and quantization_version are read",
            "quantize.", "how it was quantised",
            "tokenizer.", "the text package reads it");

    private final Settings metadata;
    private final Architecture architecture;
    private final String prefix;

    private GgufConfig(Settings metadata) {
        this.metadata = metadata;
        this.prefix = metadata.text("general.architecture") + ".";
        this.architecture = switch (prefix) {
            case "llama." -> Architecture.LLAMA;
            case "qwen3." -> Architecture.QWEN3;
            case "qwen3moe." -> Architecture.QWEN3_MOE;
            default -> throw metadata.refuse("general.architecture", "llama, qwen3 or qwen3moe");
        };
    }

    /**
     * The configuration.
     *
     * @param tensors under Hugging Face's names; they say whether embeddings are tied, and the main type
     */
    static ModelConfig read(Path file, Map<String, Object> metadata, Map<String, Tensor> tensors) {
        return new GgufConfig(new Settings(file, metadata)).read(tensors);
    }

    private ModelConfig read(Map<String, Tensor> tensors) {
        int hidden = metadata.integer(prefix + "embedding_length", 1, ModelLimits.WIDTH);
        int vocabulary = vocabulary();
        var config = new ModelConfig(
                architecture,
                metadata.integer(prefix + "block_count", 1, ModelLimits.LAYERS),
                0,
                hidden,
                vocabulary,
                metadata.integer(prefix + "context_length", 1, ModelLimits.POSITIONS),
                (float) metadata.decimal(prefix + "attention.layer_norm_rms_epsilon", 1e-12, 1),
                !tensors.containsKey(TensorCheck.HEAD),
                mainType(tensors.values()),
                attention(hidden),
                feedForward(),
                tokens(vocabulary));
        refuseVariants();
        metadata.refuseUnread(IGNORABLE);
        return ModelLimits.check(metadata.file(), config);
    }

    /** Where the key is absent, as many rows as the tokenizer has tokens. */
    private int vocabulary() {
        String key = prefix + "vocab_size";
        if (metadata.has(key)) {
            return metadata.integer(key, 1, ModelLimits.VOCABULARY);
        }
        int tokens = metadata.list("tokenizer.ggml.tokens").size();
        if (tokens < 1) {
            throw metadata.refuse("tokenizer.ggml.tokens", "at least one token, or " + key);
        }
        return tokens;
    }

    /**
     * The type that {@code auto} follows, for the cache too, so it is never a quantised one: F32 when all matrices are, F16 when all
     * are F16 or F32, and otherwise BF16.
     */
    static DType mainType(Collection<Tensor> tensors) {
        var types = tensors.stream()
                .filter(tensor -> tensor.shape().size() > 1)
                .map(Tensor::dtype)
                .distinct()
                .toList();
        if (types.equals(List.of(DType.F32))) {
            return DType.F32;
        }
        return List.of(DType.F16, DType.F32).containsAll(types) && !types.isEmpty() ? DType.F16 : DType.BF16;
    }

    private GroupedQuery attention(int hidden) {
        int heads = metadata.integer(prefix + "attention.head_count", 1, ModelLimits.HEADS);
        String keyLength = prefix + "attention.key_length";
        boolean needsLength = hidden % heads != 0 || hidden / heads > ModelLimits.HEAD_DIM;
        if (!metadata.has(keyLength) && needsLength) {
            throw metadata.refuse(keyLength, "a head size (width " + hidden + " over " + heads + " heads gives none)");
        }
        int headDim =
                metadata.optionalInteger(keyLength, 1, ModelLimits.HEAD_DIM).orElse(hidden / heads);
        for (String same : List.of("attention.value_length", "rope.dimension_count")) {
            metadata.requireHarmless(prefix + same, List.of(headDim));
        }
        double theta =
                metadata.optionalDecimal(prefix + "rope.freq_base", 1, 1e12).orElse(10_000.0);
        return new GroupedQuery(
                heads,
                metadata.optionalInteger(prefix + "attention.head_count_kv", 1, ModelLimits.HEADS)
                        .orElse(heads),
                headDim,
                architecture != Architecture.LLAMA,
                new Rope(theta, Optional.empty()));
    }

    private FeedForward feedForward() {
        String inner = prefix + "feed_forward_length";
        if (architecture != Architecture.QWEN3_MOE) {
            metadata.requireHarmless(prefix + "expert_count", List.of(0));
            metadata.requireHarmless(prefix + "expert_used_count", List.of(0));
            return new FeedForward(metadata.integer(inner, 1, ModelLimits.WIDTH), Optional.empty());
        }
        // llama.cpp divides the weights of the chosen experts by their sum for qwen3moe, whatever the file says
        metadata.requireHarmless(prefix + "expert_weights_norm", List.of(true));
        metadata.requireHarmless(prefix + "expert_weights_scale", List.of(0, 1));
        var experts = new Experts(
                metadata.integer(prefix + "expert_count", 1, ModelLimits.EXPERTS),
                metadata.integer(prefix + "expert_used_count", 1, ModelLimits.EXPERTS),
                metadata.integer(prefix + "expert_feed_forward_length", 1, ModelLimits.WIDTH),
                Routing.softmax(true),
                DenseParts.NONE);
        int dense = metadata.optionalInteger(inner, 1, ModelLimits.WIDTH).orElse(experts.intermediateSize());
        return new FeedForward(dense, Optional.of(experts));
    }

    private Tokens tokens(int vocabulary) {
        int last = vocabulary - 1;
        List<Integer> ends = Stream.of("eos_token_id", "eot_token_id", "eom_token_id")
                .flatMap(key -> metadata.optionalInteger("tokenizer.ggml." + key, 0, last).stream())
                .distinct()
                .toList();
        var nothing = new GenerationDefaults(
                Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());
        return new Tokens(metadata.optionalInteger("tokenizer.ggml.bos_token_id", 0, last), ends, nothing);
    }

    private void refuseVariants() {
        metadata.requireHarmless("general.quantization_version", List.of(2));
        metadata.requireHarmless(prefix + "attention.causal", List.of(true));
        metadata.requireHarmless(prefix + "rope.scaling.type", List.of("none"));
        metadata.requireHarmless(prefix + "tensor_data_layout", List.of("Meta AI original pth"));
    }
}
