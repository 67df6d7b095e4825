package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.BYTES;
import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.INTS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;
import static dev.tandem.kernel.vector.VectorWidth.PARTS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.tandem.kernel.Int8Weight.StaticInput;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.Exp;
import dev.tandem.kernel.scalar.Int8Rows;
import dev.tandem.kernel.scalar.Lanes;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Int8 products in float32 vectors. A product of two int8 values is at most 2^14 and a float32 holds every whole number up to 2^24, so
 * lanes add hundreds of products by fused multiply-add without rounding, in any order; then they are added as ints. The Vector API has no
 * int8 dot product; multiplying in shorts or ints takes several instructions for what is one here. Stateless; {@link Int8Rows} is the
 * specification.
 */
final class VectorInt8 {
    /** Products that a lane may add. */
    private static final int EXACT_PRODUCTS = WholeSums.LARGEST / (Byte.MIN_VALUE * Byte.MIN_VALUE);

    /** Values of two rows whose products may be added in 16 lanes. */
    static final int EXACT_COLUMNS = EXACT_PRODUCTS * Lanes.COUNT;

    private static final int STREAMS = 4;

    private VectorInt8() {}

    /**
     * As {@link Int8Rows}: max |x| / 127 and the whole numbers, as floats. Where the scale is NaN, q keeps what it had.
     *
     * @param q [count] from {@code at}
     * @return the row's scale
     */
    static float quantiseDynamic(float[] x, int offset, int count, float[] q, int at) {
        float scale = largest(x, offset, count) / Int8Rows.LEVELS;
        if (!Float.isFinite(scale)) {
            return Float.NaN;
        }
        float divisor = Math.max(scale, Int8Rows.SMALLEST_DIVISOR);
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector.fromArray(FLOATS, x, offset + i)
                    .div(divisor)
                    .add(Exp.ROUNDER)
                    .sub(Exp.ROUNDER)
                    .intoArray(q, at + i);
        }
        for (int i = whole; i < count; i++) {
            q[at + i] = (float) Math.rint(x[offset + i] / divisor);
        }
        return scale;
    }

    private static float largest(float[] x, int offset, int count) {
        FloatVector largest = FloatVector.zero(FLOATS);
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            largest = largest.max(FloatVector.fromArray(FLOATS, x, offset + i).abs());
        }
        float result = largest.reduceLanes(VectorOperators.MAX);
        for (int i = whole; i < count; i++) {
            result = Math.max(result, Math.abs(x[offset + i]));
        }
        return result;
    }

    /** Quantises one row with a fixed scale and offset; returns 1, or NaN for a row that holds a NaN. */
    static float quantiseStatic(float[] x, int offset, int count, StaticInput input, float[] q, int at) {
        float scale = input.scale();
        float zero = input.offset();
        FloatVector seen = FloatVector.zero(FLOATS); // keeps a NaN
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector value =
                    FloatVector.fromArray(FLOATS, x, offset + i).div(scale).add(zero);
            FloatVector inRange = value.max(Int8Rows.LOWEST).min(Int8Rows.HIGHEST);
            seen = seen.max(inRange);
            inRange.add(Exp.ROUNDER).sub(Exp.ROUNDER).intoArray(q, at + i);
        }
        float largest = seen.reduceLanes(VectorOperators.MAX);
        for (int i = whole; i < count; i++) {
            float value = x[offset + i] / scale + zero;
            float inRange = Math.min(Math.max(value, Int8Rows.LOWEST), Int8Rows.HIGHEST);
            largest = Math.max(largest, inRange);
            q[at + i] = (float) Math.rint(inRange);
        }
        return Float.isNaN(largest) ? Float.NaN : 1f;
    }

    /**
     * {@link Int8Rows#dequantise} of the sixteen sums of a tile, each with its own bias and scales.
     *
     * @param results [16]
     */
    static void dequantise(
            int[] sums,
            int[] biases,
            float[] rowScales,
            int rowScalesAt,
            float[] outputScales,
            int outputsAt,
            float[] results) {
        for (int i = 0; i < Lanes.COUNT; i += LANES) {
            IntVector whole = IntVector.fromArray(INTS, sums, i).add(IntVector.fromArray(INTS, biases, outputsAt + i));
            ((FloatVector) whole.convert(VectorOperators.I2F, 0))
                    .mul(FloatVector.fromArray(FLOATS, rowScales, rowScalesAt + i))
                    .mul(FloatVector.fromArray(FLOATS, outputScales, outputsAt + i))
                    .intoArray(results, i);
        }
    }

    /** True if {@link #dot} takes this weight: vectors of 256 or 512 bits, whole groups of four vectors, native memory. */
    static boolean acceptsDot(Tensor values) {
        return PARTS <= 2
                && values.columns() % (STREAMS * Lanes.COUNT) == 0
                && VectorWidening.isLoadable(values.data());
    }

    /**
     * Sum of products of one row of whole numbers and one row of an int8 weight, widened in registers; four sums hide the latency of the
     * multiply-add, as their order does not matter.
     *
     * @param row bytes to the row of the weight
     * @param count a multiple of 64
     */
    static int dot(MemorySegment w, long row, float[] q, int at, int count) {
        int sum = 0;
        int most = EXACT_PRODUCTS * STREAMS * LANES;
        for (int done = 0; done < count; done += most) {
            sum += exactDot(w, row + done, q, at + done, Math.min(most, count - done) / (STREAMS * LANES));
        }
        return sum;
    }

    private static int exactDot(MemorySegment w, long row, float[] q, int at, int groups) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int g = 0; g < groups; g++) {
            long r = row + (long) STREAMS * LANES * g;
            int i = at + STREAMS * LANES * g;
            a0 = ((FloatVector) ByteVector.fromMemorySegment(BYTES, w, r, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, FLOATS, 0))
                    .fma(FloatVector.fromArray(FLOATS, q, i), a0);
            a1 = ((FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + LANES, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, FLOATS, 0))
                    .fma(FloatVector.fromArray(FLOATS, q, i + LANES), a1);
            a2 = ((FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2L * LANES, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, FLOATS, 0))
                    .fma(FloatVector.fromArray(FLOATS, q, i + 2 * LANES), a2);
            a3 = ((FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 3L * LANES, LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, FLOATS, 0))
                    .fma(FloatVector.fromArray(FLOATS, q, i + 3 * LANES), a3);
        }
        IntVector low =
                ((IntVector) a0.convert(VectorOperators.F2I, 0)).add((IntVector) a1.convert(VectorOperators.F2I, 0));
        IntVector high =
                ((IntVector) a2.convert(VectorOperators.F2I, 0)).add((IntVector) a3.convert(VectorOperators.F2I, 0));
        return low.add(high).reduceLanes(VectorOperators.ADD);
    }
}
