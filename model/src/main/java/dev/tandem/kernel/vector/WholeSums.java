package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.INTS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;

import dev.tandem.kernel.scalar.Exp;
import dev.tandem.kernel.scalar.Lanes;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * Lanes that hold whole numbers in float32, added up as ints: sixteen sums of sixteen lanes at once, as {@link VectorTile#reduce} does it
 * for floats. A whole number of at most 2^22 that is added to 1.5 * 2^23 stands in the low bits of the result, which are then taken as an
 * int. Stateless.
 */
final class WholeSums {
    /** Largest magnitude of a lane. */
    static final int LARGEST = 1 << 22;

    /** What sixteen lanes bring along from {@link Exp#ROUNDER}; ints wrap round. */
    private static final int ROUNDERS = (int) ((long) Lanes.COUNT * Exp.ROUNDER_BITS);

    private static final VectorMask<Integer> HIGH_8 = highBit(8);
    private static final VectorMask<Integer> HIGH_4 = highBit(4);
    private static final VectorMask<Integer> HIGH_2 = highBit(2);
    private static final VectorMask<Integer> HIGH_1 = highBit(1);
    private static final VectorShuffle<Integer> SWAP_8 = swap(8);
    private static final VectorShuffle<Integer> SWAP_4 = swap(4);
    private static final VectorShuffle<Integer> SWAP_2 = swap(2);
    private static final VectorShuffle<Integer> SWAP_1 = swap(1);

    private WholeSums() {}

    /** Lanes whose index has that bit. */
    private static VectorMask<Integer> highBit(int bit) {
        var lanes = new boolean[LANES];
        for (int i = 0; i < LANES; i++) {
            lanes[i] = (i & bit) != 0;
        }
        return VectorMask.fromArray(INTS, lanes, 0);
    }

    private static VectorShuffle<Integer> swap(int bit) {
        return VectorShuffle.fromOp(INTS, i -> (i ^ bit) % LANES);
    }

    /**
     * Adds the lanes of sixteen sums to them.
     *
     * @param lanes [16, 16] whole numbers of at most {@link #LARGEST}
     * @param whole scratch [16, 16]
     * @param sums [16]
     */
    static void add(float[] lanes, int[] whole, int[] sums) {
        if (LANES == 16) {
            first16(lanes, whole);
            fold4(whole);
        } else if (LANES == 8) {
            first8(lanes, whole);
            fold4(whole);
        } else {
            first4(lanes, whole);
        }
        fold2(whole);
        fold1(whole, sums);
    }

    /** The low bits of whole numbers in the float's own place. */
    private static IntVector bits(float[] lanes, int at) {
        return FloatVector.fromArray(FLOATS, lanes, at).add(Exp.ROUNDER).reinterpretAsInts();
    }

    private static void first16(float[] lanes, int[] whole) {
        for (int i = 0; i < 8; i++) {
            IntVector a = bits(lanes, i * Lanes.COUNT);
            IntVector b = bits(lanes, (i + 8) * Lanes.COUNT);
            IntVector move = b.blend(a, HIGH_8).rearrange(SWAP_8);
            a.blend(b, HIGH_8).add(move).intoArray(whole, i * Lanes.COUNT);
        }
    }

    private static void first8(float[] lanes, int[] whole) {
        for (int i = 0; i < Lanes.COUNT * Lanes.COUNT; i += Lanes.COUNT) {
            bits(lanes, i).add(bits(lanes, i + 8)).intoArray(whole, i);
        }
    }

    private static void first4(float[] lanes, int[] whole) {
        for (int i = 0; i < Lanes.COUNT * Lanes.COUNT; i += Lanes.COUNT) {
            IntVector even = bits(lanes, i).add(bits(lanes, i + 8));
            IntVector odd = bits(lanes, i + 4).add(bits(lanes, i + 12));
            even.add(odd).intoArray(whole, i);
        }
    }

    private static void fold4(int[] whole) {
        for (int group = 0; group < Lanes.COUNT; group += LANES) {
            for (int i = group; i < group + 4; i++) {
                IntVector a = IntVector.fromArray(INTS, whole, i * Lanes.COUNT);
                IntVector b = IntVector.fromArray(INTS, whole, (i + 4) * Lanes.COUNT);
                IntVector move = b.blend(a, HIGH_4).rearrange(SWAP_4);
                a.blend(b, HIGH_4).add(move).intoArray(whole, i * Lanes.COUNT);
            }
        }
    }

    private static void fold2(int[] whole) {
        for (int group = 0; group < Lanes.COUNT; group += LANES) {
            for (int i = group; i < group + 2; i++) {
                IntVector a = IntVector.fromArray(INTS, whole, i * Lanes.COUNT);
                IntVector b = IntVector.fromArray(INTS, whole, (i + 2) * Lanes.COUNT);
                IntVector move = b.blend(a, HIGH_2).rearrange(SWAP_2);
                a.blend(b, HIGH_2).add(move).intoArray(whole, i * Lanes.COUNT);
            }
        }
    }

    private static void fold1(int[] whole, int[] sums) {
        for (int group = 0; group < Lanes.COUNT; group += LANES) {
            IntVector a = IntVector.fromArray(INTS, whole, group * Lanes.COUNT);
            IntVector b = IntVector.fromArray(INTS, whole, (group + 1) * Lanes.COUNT);
            IntVector move = b.blend(a, HIGH_1).rearrange(SWAP_1);
            a.blend(b, HIGH_1)
                    .add(move)
                    .sub(ROUNDERS)
                    .add(IntVector.fromArray(INTS, sums, group))
                    .intoArray(sums, group);
        }
    }
}
