package dev.tandem.checkpoint;

import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.Quantization.Scheme;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Compares the tensors that files have with the tensors that a model reads: none missing, none of a wrong shape, none left over. */
final class TensorCheck {
    static final String HEAD = "lm_head.weight";
    static final String EMBEDDING = "model.embed_tokens.weight";

    /** Buffers that old versions of transformers wrote; they follow from the configuration. */
    private static final Pattern IGNORABLE =
            Pattern.compile("model\\.(layers\\.\\d+\\.self_attn\\.)?rotary_emb\\.inv_freq");

    private static final Pattern LAYER = Pattern.compile("model\\.layers\\.(\\d{1,6})\\.");

    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path place;
    private final Map<String, Tensor> found;
    private final Optional<AscendTensors> quantised;
    private final SortedMap<String, Tensor> checked = new TreeMap<>();

    private TensorCheck(Path place, Map<String, Tensor> found, Optional<AscendTensors> quantised) {
        this.place = place;
        this.found = found;
        this.quantised = quantised;
    }

    /**
     * Those of {@code found} that a model of this configuration reads, each expert being a tensor of its own.
     *
     * @param place folder, for messages
     * @param quantised what a ModelSlim folder says of its tensors
     */
    static SortedMap<String, Tensor> check(
            Path place, ModelConfig config, Map<String, Tensor> found, Optional<AscendTensors> quantised) {
        var check = new TensorCheck(place, found, quantised);
        WeightShapes.forEach(config, false, (name, shape) -> check.require(name, shape));
        check.finish(config);
        quantised.ifPresent(described -> described.requireAllFound(name -> isOptional(name, config)));
        return Collections.unmodifiableSortedMap(check.checked);
    }

    /**
     * Checks {@code found} where the experts of a layer are one stack.
     *
     * @param place file, for messages
     * @param mayScaleRotary {@code rope_freqs.weight} [headDim / 2] may be there
     */
    static SortedMap<String, Tensor> checkStacked(
            Path place, ModelConfig config, Map<String, Tensor> found, boolean mayScaleRotary) {
        var check = new TensorCheck(place, found, Optional.empty());
        WeightShapes.forEach(config, true, (name, shape) -> check.require(name, shape));
        if (mayScaleRotary
                && found.containsKey(Checkpoint.ROTARY_FACTORS)
                && config.attention() instanceof GroupedQuery attention) {
            check.requireRotaryFactors(List.of(attention.headDim() / 2));
        }
        check.finish(config);
        return Collections.unmodifiableSortedMap(check.checked);
    }

    private void finish(ModelConfig config) {
        Tensor head = found.get(HEAD);
        if (config.tiesEmbeddings() && head != null) {
            requireHeadIsEmbedding(head, require(EMBEDDING, embeddingShape(config)));
        }
        refuseLeftOver(config);
    }

    private Tensor require(String name, List<Integer> shape) {
        Tensor tensor = found.get(name);
        if (tensor == null) {
            throw CheckpointException.refuse(place, "tensor " + name, "shape " + shape, "no such tensor");
        }
        if (!tensor.shape().equals(shape)) {
            throw CheckpointException.refuse(place, "tensor " + name, "shape " + shape, tensor.shape());
        }
        if (quantised.isPresent() && quantised.get().scheme(name) != Scheme.FLOAT) {
            checked.putAll(quantised.get().requireBeside(name, tensor));
            checked.put(name, tensor);
            return tensor;
        }
        boolean isVector = shape.size() == 1;
        if (!holdsWeights(tensor.dtype(), isVector)) {
            String expected = isVector ? "F32, F16 or BF16" : "a type of weights";
            throw CheckpointException.refuse(place, "tensor " + name, expected, tensor.dtype());
        }
        checked.put(name, tensor);
        return tensor;
    }

    private static boolean holdsWeights(DType dtype, boolean isVector) {
        return switch (dtype) {
            case F32, F16, BF16 -> true;
            case Q8_0, Q4_0, Q4_1 -> !isVector;
            case I8, I32 -> false;
        };
    }

    private void requireRotaryFactors(List<Integer> shape) {
        Tensor factors = require(Checkpoint.ROTARY_FACTORS, shape);
        DType dtype = factors.dtype();
        if (dtype != DType.F32) {
            throw CheckpointException.refuse(place, "tensor " + Checkpoint.ROTARY_FACTORS, "F32", dtype);
        }
        for (long i = 0; i < factors.columns(); i++) {
            float factor = factors.data().get(FLOAT, i * Float.BYTES);
            if (!(factor > 0 && factor < Float.POSITIVE_INFINITY)) {
                throw CheckpointException.refuse(
                        place, "tensor " + Checkpoint.ROTARY_FACTORS, "finite factors above 0", factor);
            }
        }
    }

    private static List<Integer> embeddingShape(ModelConfig config) {
        return List.of(config.vocabularySize(), config.hiddenSize());
    }

    private void requireHeadIsEmbedding(Tensor head, Tensor embedding) {
        boolean same = head.dtype() == embedding.dtype()
                && head.shape().equals(embedding.shape())
                && head.data().mismatch(embedding.data()) < 0;
        if (!same) {
            throw CheckpointException.refuse(
                    place, "tensor " + HEAD, "the bytes of " + EMBEDDING + " (embeddings are tied)", "others");
        }
    }

    private void refuseLeftOver(ModelConfig config) {
        new TreeMap<>(found).forEach((name, tensor) -> {
            if (!checked.containsKey(name) && !isOptional(name, config)) {
                throw CheckpointException.refuse(
                        place,
                        "tensor " + name,
                        "no tensor that the model does not read",
                        tensor.dtype() + " " + tensor.shape());
            }
        });
    }

    /**
     * Whether the model does without a tensor: a head that is the embedding, a buffer of older versions, part of a layer that only
     * drafts.
     */
    private static boolean isOptional(String name, ModelConfig config) {
        if (config.tiesEmbeddings() && name.equals(HEAD)) {
            return true;
        }
        Matcher layer = LAYER.matcher(name);
        if (layer.lookingAt()) {
            int behind = Integer.parseInt(layer.group(1)) - config.layers();
            if (behind >= 0 && behind < config.predictionLayers()) {
                return true;
            }
        }
        return IGNORABLE.matcher(name).matches();
    }
}
