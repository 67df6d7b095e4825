package dev.tandem.kernel;

import static dev.tandem.kernel.VectorWidth.BYTES;
import static dev.tandem.kernel.VectorWidth.FLOATS;
import static dev.tandem.kernel.VectorWidth.INTS;
import static dev.tandem.kernel.VectorWidth.LANES;
import static dev.tandem.kernel.VectorWidth.PARTS;
import static dev.tandem.kernel.VectorWidth.SHORTS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The inner loops of decode: one row of activations times one row of a stored weight, widened in registers, so that reading from memory
 * and computing overlap. The unreduced lanes go to {@code lanes} [16] from {@code at}. One method a stored type, so that each has a
 * profile of its own. Stateless.
 *
 * <p>One row at a time, although four would hide the latency of the multiply-add: four streams through one page defeat the prefetcher
 * (Q8_0, 145 MB, one core: 14 GB/s by single rows, 5 GB/s by four). The bodies use no helpers: from some number of nodes on the compiler
 * still inlines the Vector API, but not our own methods, and a vector that crosses a call is boxed.
 */
final class VectorDots {
    private static final int BLOCK = 32;
    private static final int HALF = 16;
    private static final int ZERO = StoredValues.Q4_0_ZERO;

    private VectorDots() {}

    /** True if {@link #dot} takes this weight: vectors of 256 or 512 bits, whole lanes, native memory, a type that has a loop here. */
    static boolean accepts(Tensor weight) {
        boolean hasLoop = switch (weight.dtype()) {
            case F32, BF16 -> weight.columns() % Lanes.COUNT == 0;
            case Q8_0, Q4_0, Q4_1 -> true;
            case F16, I8, I32 -> false;
        };
        return hasLoop && PARTS <= 2 && VectorWidening.isLoadable(weight.data());
    }

    /** @param row bytes to the row of the weight */
    static void dot(DType dtype, MemorySegment w, long row, float[] x, int xOffset, int count, float[] lanes, int at) {
        switch (dtype) {
            case F32 -> floats(w, row, x, xOffset, count / Lanes.COUNT, lanes, at);
            case BF16 -> bfloats(w, row, x, xOffset, count / Lanes.COUNT, lanes, at);
            case Q8_0 -> bytes(w, row, x, xOffset, count / BLOCK, lanes, at);
            case Q4_0 -> zeroedNibbles(w, row, x, xOffset, count / BLOCK, lanes, at);
            case Q4_1 -> shiftedNibbles(w, row, x, xOffset, count / BLOCK, lanes, at);
            case F16, I8, I32 -> throw new IllegalStateException("no loop for " + dtype);
        }
    }

    private static void floats(MemorySegment w, long row, float[] x, int xOffset, int groups, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        for (int b = 0; b < groups; b++) {
            long r = row + 64L * b;
            int i = xOffset + b * Lanes.COUNT;
            FloatVector v0 = FloatVector.fromArray(FLOATS, x, i);
            a0 = FloatVector.fromMemorySegment(FLOATS, w, r, LITTLE_ENDIAN).fma(v0, a0);
            if (PARTS == 2) {
                FloatVector v1 = FloatVector.fromArray(FLOATS, x, i + LANES);
                a1 = FloatVector.fromMemorySegment(FLOATS, w, r + 4L * LANES, LITTLE_ENDIAN)
                        .fma(v1, a1);
            }
        }
        a0.intoArray(lanes, at);
        if (PARTS == 2) {
            a1.intoArray(lanes, at + LANES);
        }
    }

    private static void bfloats(MemorySegment w, long row, float[] x, int xOffset, int groups, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        for (int b = 0; b < groups; b++) {
            long r = row + 32L * b;
            int i = xOffset + b * Lanes.COUNT;
            IntVector stored0 = (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
            FloatVector v0 = FloatVector.fromArray(FLOATS, x, i);
            a0 = stored0.lanewise(VectorOperators.LSHL, 16)
                    .reinterpretAsFloats()
                    .fma(v0, a0);
            if (PARTS == 2) {
                IntVector stored1 = (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r + 2L * LANES, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
                FloatVector v1 = FloatVector.fromArray(FLOATS, x, i + LANES);
                a1 = stored1.lanewise(VectorOperators.LSHL, 16)
                        .reinterpretAsFloats()
                        .fma(v1, a1);
            }
        }
        a0.intoArray(lanes, at);
        if (PARTS == 2) {
            a1.intoArray(lanes, at + LANES);
        }
    }

    private static void bytes(MemorySegment w, long row, float[] x, int xOffset, int blocks, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        for (int b = 0; b < blocks; b++) {
            long r = row + 34L * b;
            int i = xOffset + b * BLOCK;
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r)));
            FloatVector low0 = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            FloatVector high0 = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2 + HALF, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.B2F, FLOATS, 0);
            a0 = low0.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i), a0);
            a0 = high0.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + HALF), a0);
            if (PARTS == 2) {
                FloatVector low1 = (FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2 + LANES, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.B2F, FLOATS, 0);
                FloatVector high1 =
                        (FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2 + HALF + LANES, LITTLE_ENDIAN)
                                .convertShape(VectorOperators.B2F, FLOATS, 0);
                a1 = low1.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + LANES), a1);
                a1 = high1.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + HALF + LANES), a1);
            }
        }
        a0.intoArray(lanes, at);
        if (PARTS == 2) {
            a1.intoArray(lanes, at + LANES);
        }
    }

    private static void zeroedNibbles(
            MemorySegment w, long row, float[] x, int xOffset, int blocks, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        for (int b = 0; b < blocks; b++) {
            long r = row + 18L * b;
            int i = xOffset + b * BLOCK;
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r)));
            IntVector pairs0 = (IntVector) ByteVector.fromMemorySegment(BYTES, w, r + 2, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            FloatVector low0 = (FloatVector) pairs0.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
            FloatVector high0 = (FloatVector)
                    pairs0.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
            a0 = low0.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i), a0);
            a0 = high0.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + HALF), a0);
            if (PARTS == 2) {
                IntVector pairs1 = (IntVector) ByteVector.fromMemorySegment(BYTES, w, r + 2 + LANES, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector low1 = (FloatVector) pairs1.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
                FloatVector high1 = (FloatVector)
                        pairs1.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
                a1 = low1.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + LANES), a1);
                a1 = high1.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + HALF + LANES), a1);
            }
        }
        a0.intoArray(lanes, at);
        if (PARTS == 2) {
            a1.intoArray(lanes, at + LANES);
        }
    }

    /** Scale and minimum of a block are read together, as the low and the high half of an int. */
    private static void shiftedNibbles(
            MemorySegment w, long row, float[] x, int xOffset, int blocks, float[] lanes, int at) {
        FloatVector a0 = FloatVector.zero(FLOATS);
        FloatVector a1 = a0;
        for (int b = 0; b < blocks; b++) {
            long r = row + 20L * b;
            int i = xOffset + b * BLOCK;
            int halves = w.get(StoredValues.INT, r);
            FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halves));
            FloatVector minimum = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halves >> 16)));
            IntVector pairs0 = (IntVector) ByteVector.fromMemorySegment(BYTES, w, r + 4, LITTLE_ENDIAN)
                    .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
            FloatVector low0 = (FloatVector) pairs0.and(0xF).convert(VectorOperators.I2F, 0);
            FloatVector high0 =
                    (FloatVector) pairs0.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
            a0 = low0.fma(scale, minimum).fma(FloatVector.fromArray(FLOATS, x, i), a0);
            a0 = high0.fma(scale, minimum).fma(FloatVector.fromArray(FLOATS, x, i + HALF), a0);
            if (PARTS == 2) {
                IntVector pairs1 = (IntVector) ByteVector.fromMemorySegment(BYTES, w, r + 4 + LANES, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector low1 = (FloatVector) pairs1.and(0xF).convert(VectorOperators.I2F, 0);
                FloatVector high1 =
                        (FloatVector) pairs1.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
                a1 = low1.fma(scale, minimum).fma(FloatVector.fromArray(FLOATS, x, i + LANES), a1);
                a1 = high1.fma(scale, minimum).fma(FloatVector.fromArray(FLOATS, x, i + HALF + LANES), a1);
            }
        }
        a0.intoArray(lanes, at);
        if (PARTS == 2) {
            a1.intoArray(lanes, at + LANES);
        }
    }
}
