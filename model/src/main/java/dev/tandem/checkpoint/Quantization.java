package dev.tandem.checkpoint;

import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.Int8Weight.StaticInput;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.StoredValues;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.regex.Pattern;

/**
 * How a quantisation tool left the linear weights of a checkpoint, weight by weight. Blocks of values with a scale of their own (GGUF)
 * are a stored type of tensors and not a quantisation in this sense.
 *
 * @param method what {@code --quantization} calls it: {@link #ASCEND}
 * @param modelType the checkpoint's own name for the whole, such as {@code W8A8}; weights may differ from it
 * @param schemes of every linear weight, by its name
 */
public record Quantization(String method, String modelType, SortedMap<String, Scheme> schemes) {
    /** Checkpoints of ModelSlim, with a {@code quant_model_description.json}. */
    public static final String ASCEND = "ascend";

    private static final String WEIGHT = "weight";

    /**
     * Weights whose inputs and outputs are whole rows of activations. Not among them is {@code kv_b_proj}: latent attention, in absorbed
     * form, uses half of it with inputs and outputs exchanged, and int8 rows have no scales for that.
     */
    private static final Pattern WHOLE_ROWS =
            Pattern.compile("lm_head\\.weight|model\\.layers\\.\\d+\\.(self_attn|mlp)\\."
                    + "((.*\\.)?(?!kv_b_proj)[a-z_]+_proj|kv_a_proj_with_mqa|indexer\\.(wq_b|wk))\\.weight");

    /** Projections that exporters leave as they are: few outputs, on which choices depend. */
    private static final Pattern KEPT = Pattern.compile("lm_head\\.weight|.*\\.indexer\\.(wk|weights_proj)\\.weight");

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

        /** Last parts of the names of tensors that may stand beside it; all of them or none. */
        List<String> optional() {
            return this == W8A8 ? List.of("weight_scale", "weight_offset") : List.of();
        }
    }

    public Quantization {
        schemes = Collections.unmodifiableSortedMap(new TreeMap<>(schemes));
    }

    /** Whether a tensor may be int8. */
    static boolean mayBeInt8(String name) {
        return WHOLE_ROWS.matcher(name).matches();
    }

    /** Whether a tensor is a projection of attention or feed-forward: what exporters quantise, unlike norms, embeddings and routers. */
    public static boolean isProjection(String name) {
        return mayBeInt8(name) && !KEPT.matcher(name).matches();
    }

    /** The name of a tensor beside a weight: {@code x.y.weight} and {@code deq_scale} give {@code x.y.deq_scale}. */
    public static String beside(String weight, String part) {
        return weight.substring(0, weight.length() - WEIGHT.length()) + part;
    }

    /** Names of the tensors that stand, or may stand, beside quantised weights. */
    public Set<String> namesBeside() {
        var names = new HashSet<String>();
        schemes.forEach((weight, scheme) -> {
            scheme.required().forEach(part -> names.add(beside(weight, part)));
            scheme.optional().forEach(part -> names.add(beside(weight, part)));
        });
        return names;
    }

    /** How many weights each scheme has; schemes without any are left out. */
    public Map<Scheme, Integer> counts() {
        var counts = new EnumMap<Scheme, Integer>(Scheme.class);
        schemes.values().forEach(scheme -> counts.merge(scheme, 1, Integer::sum));
        return counts;
    }

    /**
     * A linear weight with everything that its scheme needs.
     *
     * @param find tensors of the checkpoint by name; it is asked for every tensor that belongs to the weight, also for those that are
     *     not needed
     * @throws IllegalStateException when one is missing, which an open checkpoint rules out
     */
    public LinearWeight linear(String name, Function<String, Optional<Tensor>> find) {
        Scheme scheme = schemes.getOrDefault(name, Scheme.FLOAT);
        Tensor weight = required(name, find);
        var parts = new TreeMap<String, Tensor>();
        scheme.required().forEach(part -> parts.put(part, required(beside(name, part), find)));
        scheme.optional().forEach(part -> find.apply(beside(name, part)).ifPresent(it -> parts.put(part, it)));
        return switch (scheme) {
            case FLOAT -> weight;
            case W8A8_DYNAMIC -> new Int8Weight(weight, part(parts, "weight_scale"), Optional.empty());
            case W8A8 ->
                new Int8Weight(
                        weight,
                        part(parts, "deq_scale"),
                        Optional.of(new StaticInput(
                                onlyValue(part(parts, "input_scale")),
                                onlyValue(part(parts, "input_offset")),
                                part(parts, "quant_bias"))));
        };
    }

    private static Tensor part(Map<String, Tensor> parts, String name) {
        return Objects.requireNonNull(parts.get(name), name);
    }

    private static Tensor required(String name, Function<String, Optional<Tensor>> find) {
        return find.apply(name).orElseThrow(() -> new IllegalStateException("no tensor " + name));
    }

    /** The value of a tensor of shape [1]. */
    static float onlyValue(Tensor tensor) {
        return values(tensor, 0, 1)[0];
    }

    /** Values {@code from} to {@code to - 1} of a tensor, widened. */
    static float[] values(Tensor tensor, int from, int to) {
        var values = new float[to - from];
        long at = tensor.dtype().bytes(from);
        StoredValues.widen(tensor.dtype(), tensor.data(), at, values, 0, values.length);
        return values;
    }
}
