package dev.tandem.kernel.scalar;

import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.Int8Weight.StaticInput;
import dev.tandem.kernel.Tensor;
import java.util.Optional;

/** Activations to int8 and sums back to float32, one value at a time: the specification of {@link Int8Weight}. Stateless. */
public final class Int8Rows {
    /** Largest magnitude that a symmetric scale maps a value to. */
    public static final float LEVELS = 127f;

    public static final float LOWEST = Byte.MIN_VALUE;
    public static final float HIGHEST = Byte.MAX_VALUE;

    /** What a dynamic row is divided by at least: a row of zeros, or nearly so, becomes zeros. */
    public static final float SMALLEST_DIVISOR = 1e-30f;

    private Int8Rows() {}

    /**
     * Quantises one row.
     *
     * @param q [count] from {@code at}
     * @return the row's scale
     */
    public static float quantise(
            float[] x, int offset, int count, Optional<StaticInput> staticInput, byte[] q, int at) {
        return staticInput.isPresent()
                ? quantiseStatic(x, offset, count, staticInput.get(), q, at)
                : quantiseDynamic(x, offset, count, q, at);
    }

    private static float quantiseDynamic(float[] x, int offset, int count, byte[] q, int at) {
        float largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Math.abs(x[offset + i]));
        }
        float scale = largest / LEVELS;
        if (!Float.isFinite(scale)) {
            return Float.NaN;
        }
        float divisor = Math.max(scale, SMALLEST_DIVISOR);
        for (int i = 0; i < count; i++) {
            q[at + i] = (byte) Math.rint(x[offset + i] / divisor);
        }
        return scale;
    }

    private static float quantiseStatic(float[] x, int offset, int count, StaticInput input, byte[] q, int at) {
        boolean hasNan = false;
        for (int i = 0; i < count; i++) {
            float value = x[offset + i] / input.scale() + input.offset();
            hasNan |= Float.isNaN(value);
            q[at + i] = (byte) Math.rint(Math.min(Math.max(value, LOWEST), HIGHEST));
        }
        return hasNan ? Float.NaN : 1f;
    }

    /** Sum of products of int8 values. */
    public static int dot(byte[] q, int at, byte[] weight, int count) {
        int sum = 0;
        for (int i = 0; i < count; i++) {
            sum += q[at + i] * weight[i];
        }
        return sum;
    }

    /** The float32 result of a finished sum. */
    public static float dequantise(int sum, int bias, float rowScale, float outputScale) {
        return (float) (sum + bias) * rowScale * outputScale;
    }

    /** Widens the scales of outputs {@code from} to {@code from + count - 1}. */
    public static void scales(Int8Weight weight, int from, int count, float[] scales) {
        Tensor stored = weight.outputScales();
        StoredValues.widen(stored.dtype(), stored.data(), stored.dtype().bytes(from), scales, 0, count);
    }

    /** Biases of outputs {@code from} to {@code from + count - 1}; zeros where the input is dynamic. */
    public static void biases(Int8Weight weight, int from, int count, int[] biases) {
        for (int i = 0; i < count; i++) {
            biases[i] = weight.staticInput().isPresent()
                    ? weight.staticInput().get().bias().data().get(StoredValues.INT, 4L * (from + i))
                    : 0;
        }
    }
}
