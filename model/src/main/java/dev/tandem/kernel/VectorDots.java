package dev.tandem.kernel;

import static dev.tandem.kernel.VectorWidth.BYTES;
import static dev.tandem.kernel.VectorWidth.FLOATS;
import static dev.tandem.kernel.VectorWidth.INTS;
import static dev.tandem.kernel.VectorWidth.LANES;
import static dev.tandem.kernel.VectorWidth.SHORTS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The inner loops of decode: one row of activations times four rows of a stored weight, widened in registers, so that reading from memory
 * and computing overlap. Unreduced lanes of the four products go to {@code lanes} [4, 16] from {@code at}. One method a stored type, so
 * that each has a profile of its own. Stateless.
 *
 * <p>The four rows are written out, without helpers: from some number of nodes on the compiler still inlines the Vector API, but not our
 * own methods, and a vector that crosses a call is boxed (measured for Q8_0: 2.1 ns for 16 products instead of 0.64).
 */
final class VectorDots {
    /** Weight rows of one call: four accumulators hide the latency of the multiply-add. */
    static final int ROWS = 4;

    private static final int BLOCK = 32;
    private static final int HALF = 16;
    private static final int ZERO = StoredValues.Q4_0_ZERO;

    private VectorDots() {}

    /** True if {@link #dots} takes this weight: whole lanes of native memory in a type that has a loop here. */
    static boolean accepts(Tensor weight) {
        boolean hasLoop = switch (weight.dtype()) {
            case F32, BF16 -> weight.columns() % Lanes.COUNT == 0;
            case Q8_0, Q4_0, Q4_1 -> BYTES.length() == LANES;
            case F16, I8, I32 -> false;
        };
        return hasLoop && VectorWidening.isLoadable(weight.data());
    }

    /** @param row bytes to the first of four rows that lie {@code rowBytes} apart */
    static void dots(
            DType dtype,
            MemorySegment w,
            long row,
            long rowBytes,
            float[] x,
            int xOffset,
            int count,
            float[] lanes,
            int at) {
        for (int first = 0; first < Lanes.COUNT; first += LANES) {
            int x0 = xOffset + first;
            int to = at + first;
            switch (dtype) {
                case F32 -> floats(w, row + 4L * first, rowBytes, x, x0, count / Lanes.COUNT, lanes, to);
                case BF16 -> bfloats(w, row + 2L * first, rowBytes, x, x0, count / Lanes.COUNT, lanes, to);
                case Q8_0 -> bytes(w, row, rowBytes, first, x, x0, count / BLOCK, lanes, to);
                case Q4_0 -> zeroedNibbles(w, row, rowBytes, first, x, x0, count / BLOCK, lanes, to);
                case Q4_1 -> shiftedNibbles(w, row, rowBytes, first, x, x0, count / BLOCK, lanes, to);
                case F16, I8, I32 -> throw new IllegalStateException("no loop for " + dtype);
            }
        }
    }

    private static void floats(
            MemorySegment w, long row, long rowBytes, float[] x, int x0, int groups, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int g = 0; g < groups; g++) {
            long r = row + 64L * g;
            FloatVector v = FloatVector.fromArray(FLOATS, x, x0 + g * Lanes.COUNT);
            a0 = FloatVector.fromMemorySegment(FLOATS, w, r, LITTLE_ENDIAN).fma(v, a0);
            a1 = FloatVector.fromMemorySegment(FLOATS, w, r + rowBytes, LITTLE_ENDIAN)
                    .fma(v, a1);
            a2 = FloatVector.fromMemorySegment(FLOATS, w, r + 2 * rowBytes, LITTLE_ENDIAN)
                    .fma(v, a2);
            a3 = FloatVector.fromMemorySegment(FLOATS, w, r + 3 * rowBytes, LITTLE_ENDIAN)
                    .fma(v, a3);
        }
        a0.intoArray(lanes, at);
        a1.intoArray(lanes, at + Lanes.COUNT);
        a2.intoArray(lanes, at + 2 * Lanes.COUNT);
        a3.intoArray(lanes, at + 3 * Lanes.COUNT);
    }

    private static void bfloats(
            MemorySegment w, long row, long rowBytes, float[] x, int x0, int groups, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int g = 0; g < groups; g++) {
            long r = row + 32L * g;
            FloatVector v = FloatVector.fromArray(FLOATS, x, x0 + g * Lanes.COUNT);
            IntVector stored = (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            a0 = stored.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(v, a0);
            stored = (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r + rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            a1 = stored.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(v, a1);
            stored = (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r + 2 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            a2 = stored.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(v, a2);
            stored = (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r + 3 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            a3 = stored.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(v, a3);
        }
        a0.intoArray(lanes, at);
        a1.intoArray(lanes, at + Lanes.COUNT);
        a2.intoArray(lanes, at + 2 * Lanes.COUNT);
        a3.intoArray(lanes, at + 3 * Lanes.COUNT);
    }

    private static void bytes(
            MemorySegment w, long row, long rowBytes, int first, float[] x, int x0, int blocks, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int b = 0; b < blocks; b++) {
            long r = row + 34L * b;
            long q = r + 2 + first;
            FloatVector low = FloatVector.fromArray(FLOATS, x, x0 + b * BLOCK);
            FloatVector high = FloatVector.fromArray(FLOATS, x, x0 + b * BLOCK + HALF);
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r)));
            FloatVector lowWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            FloatVector highWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + HALF, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            a0 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a0));
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + rowBytes)));
            lowWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            highWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + rowBytes + HALF, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            a1 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a1));
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + 2 * rowBytes)));
            lowWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + 2 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            highWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + 2 * rowBytes + HALF, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            a2 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a2));
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + 3 * rowBytes)));
            lowWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + 3 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            highWeights = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, q + 3 * rowBytes + HALF, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            a3 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a3));
        }
        a0.intoArray(lanes, at);
        a1.intoArray(lanes, at + Lanes.COUNT);
        a2.intoArray(lanes, at + 2 * Lanes.COUNT);
        a3.intoArray(lanes, at + 3 * Lanes.COUNT);
    }

    private static void zeroedNibbles(
            MemorySegment w, long row, long rowBytes, int first, float[] x, int x0, int blocks, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int b = 0; b < blocks; b++) {
            long r = row + 18L * b;
            long q = r + 2 + first;
            FloatVector low = FloatVector.fromArray(FLOATS, x, x0 + b * BLOCK);
            FloatVector high = FloatVector.fromArray(FLOATS, x, x0 + b * BLOCK + HALF);
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r)));
            IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            FloatVector lowWeights = (FloatVector) pairs.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
            FloatVector highWeights = (FloatVector)
                    pairs.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
            a0 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a0));
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + rowBytes)));
            pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q + rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            lowWeights = (FloatVector) pairs.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
            highWeights = (FloatVector)
                    pairs.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
            a1 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a1));
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + 2 * rowBytes)));
            pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q + 2 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            lowWeights = (FloatVector) pairs.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
            highWeights = (FloatVector)
                    pairs.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
            a2 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a2));
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + 3 * rowBytes)));
            pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q + 3 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            lowWeights = (FloatVector) pairs.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
            highWeights = (FloatVector)
                    pairs.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
            a3 = highWeights.mul(scale).fma(high, lowWeights.mul(scale).fma(low, a3));
        }
        a0.intoArray(lanes, at);
        a1.intoArray(lanes, at + Lanes.COUNT);
        a2.intoArray(lanes, at + 2 * Lanes.COUNT);
        a3.intoArray(lanes, at + 3 * Lanes.COUNT);
    }

    /** Scale and minimum of a block are read together, as the low and high half of an int. */
    private static void shiftedNibbles(
            MemorySegment w, long row, long rowBytes, int first, float[] x, int x0, int blocks, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        FloatVector a2 = a0;
        FloatVector a3 = a0;
        for (int b = 0; b < blocks; b++) {
            long r = row + 20L * b;
            long q = r + 4 + first;
            FloatVector low = FloatVector.fromArray(FLOATS, x, x0 + b * BLOCK);
            FloatVector high = FloatVector.fromArray(FLOATS, x, x0 + b * BLOCK + HALF);
            int halves = w.get(StoredValues.INT, r);
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halves));
            FloatVector minimum = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halves >> 16)));
            IntVector pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            FloatVector lowWeights = (FloatVector) pairs.and(0xF).convert(VectorOperators.I2F, 0);
            FloatVector highWeights =
                    (FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
            a0 = highWeights
                    .fma(scale, minimum)
                    .fma(high, lowWeights.fma(scale, minimum).fma(low, a0));
            halves = w.get(StoredValues.INT, r + rowBytes);
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halves));
            minimum = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halves >> 16)));
            pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q + rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            lowWeights = (FloatVector) pairs.and(0xF).convert(VectorOperators.I2F, 0);
            highWeights = (FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
            a1 = highWeights
                    .fma(scale, minimum)
                    .fma(high, lowWeights.fma(scale, minimum).fma(low, a1));
            halves = w.get(StoredValues.INT, r + 2 * rowBytes);
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halves));
            minimum = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halves >> 16)));
            pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q + 2 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            lowWeights = (FloatVector) pairs.and(0xF).convert(VectorOperators.I2F, 0);
            highWeights = (FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
            a2 = highWeights
                    .fma(scale, minimum)
                    .fma(high, lowWeights.fma(scale, minimum).fma(low, a2));
            halves = w.get(StoredValues.INT, r + 3 * rowBytes);
            scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halves));
            minimum = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halves >> 16)));
            pairs = (IntVector) ByteVector.fromMemorySegment(BYTES, w, q + 3 * rowBytes, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            lowWeights = (FloatVector) pairs.and(0xF).convert(VectorOperators.I2F, 0);
            highWeights = (FloatVector) pairs.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
            a3 = highWeights
                    .fma(scale, minimum)
                    .fma(high, lowWeights.fma(scale, minimum).fma(low, a3));
        }
        a0.intoArray(lanes, at);
        a1.intoArray(lanes, at + Lanes.COUNT);
        a2.intoArray(lanes, at + 2 * Lanes.COUNT);
        a3.intoArray(lanes, at + 3 * Lanes.COUNT);
    }
}
