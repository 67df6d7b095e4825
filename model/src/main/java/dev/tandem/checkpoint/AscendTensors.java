package dev.tandem.checkpoint;

import dev.tandem.checkpoint.Quantization.Scheme;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.DoublePredicate;
import java.util.function.Predicate;

/**
 * Compares the tensors of a ModelSlim folder with its description: each linear weight is what the description says, with all that its
 * scheme needs beside it, and values that the kernels can take. Used once, while a checkpoint is opened.
 */
final class AscendTensors {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Values that are widened at a time. */
    private static final int CHUNK = 4096;

    private final Path place;
    private final AscendDescription description;
    private final Map<String, Tensor> found;
    private final SortedMap<String, Scheme> schemes = new TreeMap<>();

    /** @param place folder, for messages */
    AscendTensors(Path place, AscendDescription description, Map<String, Tensor> found) {
        this.place = place;
        this.description = description;
        this.found = found;
    }

    /** The scheme of a weight that the model reads; refuses a linear weight that is not described, and another that is not FLOAT. */
    Scheme scheme(String name) {
        Scheme described = description.types().get(name);
        if (!Quantization.mayBeInt8(name)) {
            if (described != null && described != Scheme.FLOAT) {
                throw refuseDescribed(
                        name,
                        "FLOAT (only projections and lm_head may be quantised, and kv_b_proj is not one of them)",
                        described);
            }
            return Scheme.FLOAT;
        }
        if (described == null) {
            throw refuseDescribed(name, "a scheme", "nothing");
        }
        schemes.put(name, described);
        return described;
    }

    /**
     * Checks a weight that is not FLOAT.
     *
     * @param weight of the right shape
     * @return the tensors beside it, by name
     */
    SortedMap<String, Tensor> requireBeside(String name, Tensor weight) {
        Scheme scheme = Objects.requireNonNull(schemes.get(name), name);
        if (weight.dtype() != DType.I8) {
            throw refuse(name, "I8 (the description says " + scheme + ")", weight.dtype());
        }
        if (weight.columns() > Int8Weight.MOST_INPUTS) {
            throw refuse(name, "at most " + Int8Weight.MOST_INPUTS + " inputs, for exact sums", weight.columns());
        }
        var beside = new TreeMap<String, Tensor>();
        for (String part : scheme.required()) {
            requirePart(name, weight, part, beside);
        }
        boolean hasOptional =
                scheme.optional().stream().anyMatch(part -> found.containsKey(Quantization.beside(name, part)));
        if (hasOptional) {
            for (String part : scheme.optional()) {
                requirePart(name, weight, part, beside);
            }
        }
        return beside;
    }

    private void requirePart(String weightName, Tensor weight, String part, Map<String, Tensor> beside) {
        String name = Quantization.beside(weightName, part);
        int outputs = weight.rows();
        Scheme scheme = schemes.get(weightName);
        Tensor tensor = found.get(name);
        if (tensor == null) {
            throw refuse(name, "it beside a " + scheme + " weight", "no such tensor");
        }
        if (description.types().get(name) != scheme) {
            Object described = description.types().getOrDefault(name, null);
            throw refuseDescribed(name, scheme + ", as its weight", described == null ? "nothing" : described);
        }
        switch (part) {
            case "weight_scale", "deq_scale" ->
                requireFloats(name, tensor, outputs, "finite scales, none negative", AscendTensors::isScale);
            case "weight_offset" ->
                requireFloats(name, tensor, outputs, "zeros (weights are symmetric)", value -> value == 0);
            case "input_scale" ->
                requireFloats(name, tensor, 1, "a finite scale above 0", value -> isScale(value) && value > 0);
            case "input_offset" ->
                requireFloats(name, tensor, 1, "a whole number of -128 to 127", AscendTensors::isInt8);
            case "quant_bias" -> requireBias(name, tensor, weight);
            default -> throw new IllegalStateException("no check for " + part);
        }
        beside.put(name, tensor);
    }

    private static boolean isScale(double value) {
        return value >= 0 && value < Double.POSITIVE_INFINITY;
    }

    private static boolean isInt8(double value) {
        return value == Math.rint(value) && value >= Byte.MIN_VALUE && value <= Byte.MAX_VALUE;
    }

    private void requireFloats(String name, Tensor tensor, int count, String expected, DoublePredicate isGood) {
        requireShape(name, tensor, count);
        boolean isFloat = switch (tensor.dtype()) {
            case F32, F16, BF16 -> true;
            case I8, I32, Q8_0, Q4_0, Q4_1 -> false;
        };
        if (!isFloat) {
            throw refuse(name, "F32, F16 or BF16", tensor.dtype());
        }
        for (int from = 0; from < count; from += CHUNK) {
            for (float value : Quantization.values(tensor, from, Math.min(count, from + CHUNK))) {
                if (!isGood.test(value)) {
                    throw refuse(name, expected, value);
                }
            }
        }
    }

    private void requireBias(String name, Tensor bias, Tensor weight) {
        requireShape(name, bias, weight.rows());
        if (bias.dtype() != DType.I32) {
            throw refuse(name, "I32", bias.dtype());
        }
        int largest = Int8Weight.largestBias(weight.columns());
        for (long i = 0; i < weight.rows(); i++) {
            int value = bias.data().get(INT, i * Integer.BYTES);
            if (value > largest || value < -largest) {
                throw refuse(name, "magnitudes of at most " + largest + ", for sums that fit an int", value);
            }
        }
    }

    private void requireShape(String name, Tensor tensor, int count) {
        boolean fits = tensor.shape().equals(List.of(count)) || tensor.shape().equals(List.of(count, 1));
        if (!fits) {
            throw refuse(name, "shape [" + count + "] or [" + count + ", 1]", tensor.shape());
        }
    }

    /**
     * Refuses what is described and not there.
     *
     * @param isOptional names of tensors that the model does not need
     */
    void requireAllFound(Predicate<String> isOptional) {
        description.types().forEach((name, scheme) -> {
            if (!found.containsKey(name) && !isOptional.test(name)) {
                throw refuseDescribed(name, "names of tensors in the weight files", scheme + ", and no such tensor");
            }
        });
    }

    /** What was found, once every weight was asked for. */
    Quantization quantization() {
        return new Quantization(Quantization.ASCEND, description.modelType(), schemes);
    }

    private CheckpointException refuse(String tensor, String expected, Object found) {
        return CheckpointException.refuse(place, "tensor " + tensor, expected, found);
    }

    private CheckpointException refuseDescribed(String tensor, String expected, Object found) {
        return CheckpointException.refuse(description.file(), tensor, expected, found);
    }
}
