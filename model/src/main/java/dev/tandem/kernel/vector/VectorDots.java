package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.BYTES;
import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.INTS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;
import static dev.tandem.kernel.vector.VectorWidth.PARTS;
import static dev.tandem.kernel.vector.VectorWidth.SHORTS;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.Lanes;
import dev.tandem.kernel.scalar.StoredValues;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The inner loops of decode: one row of activations times consecutive rows of a stored weight, widened in registers, so that reading from
 * memory and computing overlap. The unreduced lanes of row i go to {@code lanes} [rows, 16]. One method per stored type, so that each has a
 * profile of its own. Stateless.
 *
 * <p>One row after the other, although several side by side would hide the latency of the multiply-add: two streams through one page
 * defeat the prefetcher (Q8_0 rows of 612 bytes, 140 MB, one core: 19 GB/s by single rows, 5 GB/s by two or four). Only where two rows lie
 * within eight cache lines does a pair win (Q4_1 rows of 360 bytes: 12 GB/s instead of 10). The loop over rows stands in the same method
 * as the loop over blocks: what is checked once for all rows is a tenth of the time. The bodies use no helpers: from some number of nodes
 * on the compiler still inlines the Vector API, but not our own methods, and a vector that crosses a call is boxed.
 */
final class VectorDots {
    private static final int BLOCK = 32;
    private static final int HALF = 16;
    private static final int ZERO = StoredValues.Q4_0_ZERO;

    /** Bytes from row to row up to which two rows are one stream for the prefetcher. */
    private static final long PAIR_BYTES = 512;

    private VectorDots() {}

    /** True if {@link #dots} takes this weight: vectors of 256 or 512 bits, whole lanes, native memory, a type that has a loop here. */
    static boolean accepts(Tensor weight) {
        boolean hasLoop = switch (weight.dtype()) {
            case F32, BF16 -> weight.columns() % Lanes.COUNT == 0;
            case Q8_0, Q4_0, Q4_1 -> true;
            case F16, I8, I32 -> false;
        };
        return hasLoop && PARTS <= 2 && VectorWidening.isLoadable(weight.data());
    }

    /**
     * Lanes of the dot products of one row of x, which begins at {@code xOffset}, with some rows of the weight.
     *
     * @param first the first of these rows
     * @param rows how many, at most 16
     * @param lanes [rows, 16]
     */
    static void dots(Tensor weight, int first, int rows, float[] x, int xOffset, float[] lanes) {
        MemorySegment w = weight.data();
        long rowBytes = weight.rowBytes();
        long from = first * rowBytes;
        int count = weight.columns();
        switch (weight.dtype()) {
            case F32 -> floats(w, from, rowBytes, rows, x, xOffset, count / Lanes.COUNT, lanes);
            case BF16 -> bfloats(w, from, rowBytes, rows, x, xOffset, count / Lanes.COUNT, lanes);
            case Q8_0 -> bytes(w, from, rowBytes, rows, x, xOffset, count / BLOCK, lanes);
            case Q4_0 -> {
                int paired = paired(rows, rowBytes);
                zeroedPairs(w, from, rowBytes, paired, x, xOffset, count / BLOCK, lanes);
                zeroedNibbles(w, from, rowBytes, paired, rows, x, xOffset, count / BLOCK, lanes);
            }
            case Q4_1 -> {
                int paired = paired(rows, rowBytes);
                shiftedPairs(w, from, rowBytes, paired, x, xOffset, count / BLOCK, lanes);
                shiftedNibbles(w, from, rowBytes, paired, rows, x, xOffset, count / BLOCK, lanes);
            }
            case F16, I8, I32 -> throw new IllegalStateException("no loop for " + weight.dtype());
        }
    }

    /** How many of the rows go two by two: with the registers of 512 bits, and where a pair is one stream. */
    private static int paired(int rows, long rowBytes) {
        return PARTS == 1 && rowBytes <= PAIR_BYTES ? rows / 2 * 2 : 0;
    }

    private static void floats(
            MemorySegment w, long from, long rowBytes, int rows, float[] x, int xOffset, int groups, float[] lanes) {
        for (int o = 0; o < rows; o++) {
            long row = from + o * rowBytes;
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
            a0.intoArray(lanes, o * Lanes.COUNT);
            if (PARTS == 2) {
                a1.intoArray(lanes, o * Lanes.COUNT + LANES);
            }
        }
    }

    private static void bfloats(
            MemorySegment w, long from, long rowBytes, int rows, float[] x, int xOffset, int groups, float[] lanes) {
        for (int o = 0; o < rows; o++) {
            long row = from + o * rowBytes;
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
                    IntVector stored1 =
                            (IntVector) ShortVector.fromMemorySegment(SHORTS, w, r + 2L * LANES, LITTLE_ENDIAN)
                                    .convertShape(VectorOperators.ZERO_EXTEND_S2I, INTS, 0);
                    FloatVector v1 = FloatVector.fromArray(FLOATS, x, i + LANES);
                    a1 = stored1.lanewise(VectorOperators.LSHL, 16)
                            .reinterpretAsFloats()
                            .fma(v1, a1);
                }
            }
            a0.intoArray(lanes, o * Lanes.COUNT);
            if (PARTS == 2) {
                a1.intoArray(lanes, o * Lanes.COUNT + LANES);
            }
        }
    }

    private static void bytes(
            MemorySegment w, long from, long rowBytes, int rows, float[] x, int xOffset, int blocks, float[] lanes) {
        for (int o = 0; o < rows; o++) {
            long row = from + o * rowBytes;
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
                    FloatVector low1 =
                            (FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2 + LANES, LITTLE_ENDIAN)
                                    .convertShape(VectorOperators.B2F, FLOATS, 0);
                    FloatVector high1 =
                            (FloatVector) ByteVector.fromMemorySegment(BYTES, w, r + 2 + HALF + LANES, LITTLE_ENDIAN)
                                    .convertShape(VectorOperators.B2F, FLOATS, 0);
                    a1 = low1.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + LANES), a1);
                    a1 = high1.mul(scale).fma(FloatVector.fromArray(FLOATS, x, i + HALF + LANES), a1);
                }
            }
            a0.intoArray(lanes, o * Lanes.COUNT);
            if (PARTS == 2) {
                a1.intoArray(lanes, o * Lanes.COUNT + LANES);
            }
        }
    }

    private static void zeroedNibbles(
            MemorySegment w,
            long from,
            long rowBytes,
            int first,
            int rows,
            float[] x,
            int xOffset,
            int blocks,
            float[] lanes) {
        for (int o = first; o < rows; o++) {
            long row = from + o * rowBytes;
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
            a0.intoArray(lanes, o * Lanes.COUNT);
            if (PARTS == 2) {
                a1.intoArray(lanes, o * Lanes.COUNT + LANES);
            }
        }
    }

    /** {@link #zeroedNibbles} for rows 0 to rows - 1, two at a time; whole lanes in one vector. */
    private static void zeroedPairs(
            MemorySegment w, long from, long rowBytes, int rows, float[] x, int xOffset, int blocks, float[] lanes) {
        for (int o = 0; o < rows; o += 2) {
            long row = from + o * rowBytes;
            FloatVector a = FloatVector.zero(FLOATS);
            FloatVector b = a;
            for (int k = 0; k < blocks; k++) {
                long r = row + 18L * k;
                int i = xOffset + k * BLOCK;
                FloatVector low = FloatVector.fromArray(FLOATS, x, i);
                FloatVector high = FloatVector.fromArray(FLOATS, x, i + HALF);
                FloatVector scaleA = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r)));
                IntVector pairsA = (IntVector) ByteVector.fromMemorySegment(BYTES, w, r + 2, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector lowA = (FloatVector) pairsA.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
                FloatVector highA = (FloatVector)
                        pairsA.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
                a = lowA.mul(scaleA).fma(low, a);
                a = highA.mul(scaleA).fma(high, a);
                long next = r + rowBytes;
                FloatVector scaleB =
                        FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, next)));
                IntVector pairsB = (IntVector) ByteVector.fromMemorySegment(BYTES, w, next + 2, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector lowB = (FloatVector) pairsB.and(0xF).sub(ZERO).convert(VectorOperators.I2F, 0);
                FloatVector highB = (FloatVector)
                        pairsB.lanewise(VectorOperators.LSHR, 4).sub(ZERO).convert(VectorOperators.I2F, 0);
                b = lowB.mul(scaleB).fma(low, b);
                b = highB.mul(scaleB).fma(high, b);
            }
            a.intoArray(lanes, o * Lanes.COUNT);
            b.intoArray(lanes, (o + 1) * Lanes.COUNT);
        }
    }

    private static void shiftedNibbles(
            MemorySegment w,
            long from,
            long rowBytes,
            int first,
            int rows,
            float[] x,
            int xOffset,
            int blocks,
            float[] lanes) {
        for (int o = first; o < rows; o++) {
            long row = from + o * rowBytes;
            FloatVector a0 = FloatVector.zero(FLOATS);
            FloatVector a1 = a0;
            for (int b = 0; b < blocks; b++) {
                long r = row + 20L * b;
                int i = xOffset + b * BLOCK;
                FloatVector scale = FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r)));
                FloatVector minimum =
                        FloatVector.broadcast(FLOATS, Float.float16ToFloat(w.get(StoredValues.SHORT, r + 2)));
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
                    FloatVector high1 = (FloatVector)
                            pairs1.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
                    a1 = low1.fma(scale, minimum).fma(FloatVector.fromArray(FLOATS, x, i + LANES), a1);
                    a1 = high1.fma(scale, minimum).fma(FloatVector.fromArray(FLOATS, x, i + HALF + LANES), a1);
                }
            }
            a0.intoArray(lanes, o * Lanes.COUNT);
            if (PARTS == 2) {
                a1.intoArray(lanes, o * Lanes.COUNT + LANES);
            }
        }
    }

    /**
     * {@link #shiftedNibbles} for rows 0 to rows - 1, two at a time; whole lanes in one vector. Scale and minimum of a block are read
     * together, as the low and the high half of an int: here that is faster by a tenth, in {@link #shiftedNibbles} slower where vectors
     * have 256 bits.
     */
    private static void shiftedPairs(
            MemorySegment w, long from, long rowBytes, int rows, float[] x, int xOffset, int blocks, float[] lanes) {
        for (int o = 0; o < rows; o += 2) {
            long row = from + o * rowBytes;
            FloatVector a = FloatVector.zero(FLOATS);
            FloatVector b = a;
            for (int k = 0; k < blocks; k++) {
                long r = row + 20L * k;
                int i = xOffset + k * BLOCK;
                FloatVector low = FloatVector.fromArray(FLOATS, x, i);
                FloatVector high = FloatVector.fromArray(FLOATS, x, i + HALF);
                int halvesA = w.get(StoredValues.INT, r);
                FloatVector scaleA = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halvesA));
                FloatVector minimumA = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halvesA >> 16)));
                IntVector pairsA = (IntVector) ByteVector.fromMemorySegment(BYTES, w, r + 4, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector lowA = (FloatVector) pairsA.and(0xF).convert(VectorOperators.I2F, 0);
                FloatVector highA =
                        (FloatVector) pairsA.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
                a = lowA.fma(scaleA, minimumA).fma(low, a);
                a = highA.fma(scaleA, minimumA).fma(high, a);
                long next = r + rowBytes;
                int halvesB = w.get(StoredValues.INT, next);
                FloatVector scaleB = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) halvesB));
                FloatVector minimumB = FloatVector.broadcast(FLOATS, Float.float16ToFloat((short) (halvesB >> 16)));
                IntVector pairsB = (IntVector) ByteVector.fromMemorySegment(BYTES, w, next + 4, LITTLE_ENDIAN)
                        .convertShape(VectorOperators.ZERO_EXTEND_B2I, INTS, 0);
                FloatVector lowB = (FloatVector) pairsB.and(0xF).convert(VectorOperators.I2F, 0);
                FloatVector highB =
                        (FloatVector) pairsB.lanewise(VectorOperators.LSHR, 4).convert(VectorOperators.I2F, 0);
                b = lowB.fma(scaleB, minimumB).fma(low, b);
                b = highB.fma(scaleB, minimumB).fma(high, b);
            }
            a.intoArray(lanes, o * Lanes.COUNT);
            b.intoArray(lanes, (o + 1) * Lanes.COUNT);
        }
    }
}
