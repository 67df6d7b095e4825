package dev.tandem.checkpoint;

import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.Int8Weight.StaticInput;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.ScalarKernels;
import dev.tandem.kernel.Tensor;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * How a quantisation tool left the linear weights of a checkpoint, weight by weight. Blocks of values with a scale of their own (GGUF) are a
 * stored type of tensors and no quantisation in this sense.
 *
 * @param method what {@code --quantization} calls it: {@link #ASCEND}
 * @param modelType the checkpoint's own name for the whole, such as {@code W8A8}; weights may differ from it
 * @param schemes of every linear weight, by its name
 */
public record Quantization(String method, String modelType, SortedMap<String, Scheme> schemes) {
    /** Checkpoints of ModelSlim, with a {@code quant_model_description.json}. */
    public static final String ASCEND = "ascend";

    private static final String WEIGHT = "weight";

    /** Weights whose inputs and outputs are whole rows of activations. */
    private static final Pattern PROJECTION =
            Pattern.compile("model\\.layers\\.\\d+\\.(self_attn|mlp)\\.(.*\\.)?[a-z_]+_proj\\.weight");

    /** What a linear weight is and how its input becomes int8; source: fixtures/golden/README.md, "W8A8, ModelSlim layout". */
    public enum Scheme {
        /** Stored as a float type, multiplied in float32. */
        FLOAT,

        /** int8 weight, input scale and offset fixed beforehand; older exporters add the weight's own scale, which is not needed. */
        W8A8,

        /** int8 weight, a scale for every row of the input. */
        W8A8_DYNAMIC;

        /** Last parts of the names of tensors that must stand beside the weight. */
        List<String> required() {
            return switch (this) {
                case FLOAT -> List.of();
                case W8A8 -> List.of("input_scale", "input_offset", "deq_scale", "quant_bias");
                case W8A8_DYNAMIC -> List.of("weight_scale", "weight_offset");
            };
        }

        /** Last parts of the names of tensors that may; all of them or none. */
        List<String> optional() {
            return this == W8A8 ? List.of("weight_scale", "weight_offset") : List.of();
        }
    }

    public Quantization {
        schemes = Collections.unmodifiableSortedMap(new TreeMap<>(schemes));
    }

    /** Whether a tensor is a projection of attention or feed-forward: what exporters quantise, unlike norms, embeddings and routers. */
    public static boolean isProjection(String name) {
        return PROJECTION.matcher(name).matches();
    }

    /** The name of a tensor beside a weight: {@code x.y.weight} and {@code deq_scale} give {@code x.y.deq_scale}. */
    public static String beside(String weight, String part) {
        return weight.substring(0, weight.length() - WEIGHT.length()) + part;
    }

    /** Names of the tensors that stand, or may stand, beside quantised weights. */
    Set<String> namesBeside() {
        var names = new HashSet<String>();
        schemes.keySet().forEach(weight -> names.addAll(namesOf(weight)));
        names.removeAll(schemes.keySet());
        return names;
    }

    /** How many weights each scheme has; schemes without any are left out. */
    public Map<Scheme, Integer> counts() {
        var counts = new EnumMap<Scheme, Integer>(Scheme.class);
        schemes.values().forEach(scheme -> counts.merge(scheme, 1, Integer::sum));
        return counts;
    }

    /** Names of a linear weight and of all that stands, or may stand, beside it. */
    public Set<String> namesOf(String weight) {
        Scheme scheme = schemes.getOrDefault(weight, Scheme.FLOAT);
        var names = new HashSet<String>();
        names.add(weight);
        scheme.required().forEach(part -> names.add(beside(weight, part)));
        scheme.optional().forEach(part -> names.add(beside(weight, part)));
        return names;
    }

    /**
     * A linear weight with everything that its scheme needs.
     *
     * @param tensors of the checkpoint, by name
     * @throws IllegalStateException when one is missing, which an open checkpoint rules out
     */
    public LinearWeight linear(String name, Map<String, Tensor> tensors) {
        Tensor weight = required(name, tensors);
        return switch (schemes.getOrDefault(name, Scheme.FLOAT)) {
            case FLOAT -> weight;
            case W8A8_DYNAMIC ->
                new Int8Weight(weight, required(beside(name, "weight_scale"), tensors), Optional.empty());
            case W8A8 ->
                new Int8Weight(
                        weight,
                        required(beside(name, "deq_scale"), tensors),
                        Optional.of(new StaticInput(
                                onlyValue(required(beside(name, "input_scale"), tensors)),
                                onlyValue(required(beside(name, "input_offset"), tensors)),
                                required(beside(name, "quant_bias"), tensors))));
        };
    }

    private static Tensor required(String name, Map<String, Tensor> tensors) {
        Tensor tensor = tensors.get(name);
        if (tensor == null) {
            throw new IllegalStateException("no tensor " + name);
        }
        return tensor;
    }

    /** The value of a tensor of shape [1]. */
    static float onlyValue(Tensor tensor) {
        return values(tensor, 0, 1)[0];
    }

    /** Values {@code from} to {@code to - 1} of a tensor, widened. */
    static float[] values(Tensor tensor, int from, int to) {
        var values = new float[to - from];
        long at = tensor.dtype().bytes(from);
        new ScalarKernels()
                .widen(
                        tensor.dtype(),
                        tensor.data().asSlice(at, tensor.dtype().bytes(to - from)),
                        values,
                        values.length);
        return values;
    }
}
