package dev.tandem.kernel;

import java.util.Optional;

/**
 * An int8 weight that is multiplied with int8 activations. A row x of activations becomes whole numbers q with a row scale s, the sum of
 * their products is exact, and one formula gives the float32 result, its operations in this order:
 *
 * <pre>
 *   y[o] = (float(sum over i of q[i] * values[o, i]  +  bias[o]) * s) * outputScales[o]
 * </pre>
 *
 * <b>Dynamic</b> (no {@code staticInput}): {@code s = max |x| / 127} over the whole row, {@code q = round(x / max(s, 1e-30))}, no bias.
 * <b>Static</b>: {@code q = clamp(round(x / scale + offset), -128, 127)}, s = 1. Divisions are true divisions, rounding is to nearest with
 * ties to even. A dynamic row with a value that is not finite, and a static row with a NaN, give NaN everywhere: neither hides behind the
 * rounding. Source: vllm-ascend's {@code w8a8_static.py} and {@code w8a8_dynamic.py} as fixtures/golden/README.md retells them.
 *
 * @param values I8 [outputs, inputs]
 * @param outputScales [outputs] or [outputs, 1] in F32, F16 or BF16: of the weight alone (dynamic), or of weight and input (static)
 * @param staticInput how activations become int8, where that was fixed beforehand
 */
public record Int8Weight(Tensor values, Tensor outputScales, Optional<StaticInput> staticInput)
        implements LinearWeight {
    /** Widest row whose sum of products of -128 and -128 still fits an int. */
    public static final int MOST_INPUTS = Integer.MAX_VALUE / (Byte.MIN_VALUE * Byte.MIN_VALUE);

    /**
     * A fixed way from activations to int8. The sum of products and bias must fit an int: {@link #largestBias}.
     *
     * @param scale step of the activations, above 0
     * @param offset whole number that is added before rounding, -128 to 127
     * @param bias I32 [outputs], what takes the offset out of the sum again
     */
    public record StaticInput(float scale, float offset, Tensor bias) {}

    /** @throws IllegalArgumentException when the parts do not belong together */
    public Int8Weight {
        boolean scalesFit =
                outputScales.data().byteSize() == outputScales.dtype().bytes(values.rows());
        boolean biasFits = staticInput.isEmpty()
                || (staticInput.get().bias().dtype() == DType.I32
                        && staticInput.get().bias().columns() == values.rows());
        if (values.dtype() != DType.I8 || values.columns() > MOST_INPUTS || !scalesFit || !biasFits) {
            throw new IllegalArgumentException("int8 values " + values.dtype() + " " + values.shape() + ", scales "
                    + outputScales.dtype() + " " + outputScales.shape() + ", static input " + staticInput
                    + " do not make a weight of at most " + MOST_INPUTS + " inputs");
        }
    }

    /** Largest magnitude of a bias with which no sum over {@code inputs} products leaves the ints. */
    public static int largestBias(int inputs) {
        return Integer.MAX_VALUE - Math.multiplyExact(inputs, Byte.MIN_VALUE * Byte.MIN_VALUE);
    }

    @Override
    public int rows() {
        return values.rows();
    }

    @Override
    public int columns() {
        return values.columns();
    }

    @Override
    public Int8Weight slice(int from, int to) {
        return new Int8Weight(
                values.slice(from, to),
                outputScales.slice(from, to),
                staticInput.map(input -> new StaticInput(input.scale, input.offset, input.bias.slice(from, to))));
    }
}
