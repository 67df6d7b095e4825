package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;
import static dev.tandem.kernel.vector.VectorWidth.PARTS;

import dev.tandem.kernel.scalar.Lanes;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorShuffle;

/**
 * The inner loop of matrix products and of attention scores: 4 x 4 dot products at once, every one in the reduction order of {@link
 * Lanes}. Several accumulators hide the latency of the multiply-add, and eight loads feed sixteen of them. Vectors narrower than 16 lanes
 * take the lanes in several passes over operands that lie in the first-level cache.
 */
final class VectorTile {
    /** Rows and columns of a tile. */
    static final int SIDE = 4;

    /** Weight rows of {@link #lanes8}. */
    static final int ROWS_8 = 8;

    /** Dot products of a tile. */
    static final int OUTPUTS = SIDE * SIDE;

    private VectorTile() {}

    /** The next multiple of {@link #SIDE}. */
    static int tiled(int count) {
        return (count + SIDE - 1) / SIDE * SIDE;
    }

    /** The multiple of {@link #SIDE} that is at most {@code count} and {@code most}, but no less than one tile. */
    static int clampToTiles(int count, int most) {
        return Math.max(SIDE, Math.min(count, most) / SIDE * SIDE);
    }

    /**
     * Dot products of four rows of x with four rows of w.
     *
     * @param x0 where the first row of x begins; x1..x3 alike, rows may repeat
     * @param w0 where the first row of w begins; the next three follow at {@code stride}
     * @param count values of a row
     * @param lanes scratch [OUTPUTS, 16]
     * @param sums [4 rows of x, 4 rows of w], exactly 16 values
     */
    static void dots(
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            float[] w,
            int w0,
            int stride,
            int count,
            float[] lanes,
            float[] sums) {
        lanes16(x, x0, x1, x2, x3, w, w0, stride, count, lanes, sums.length);
        reduce(lanes, sums);
    }

    /**
     * The sums of {@link #dots} without the tree: unreduced lanes [OUTPUTS, 16].
     *
     * @param step 16, but not as a constant (see {@link #narrowBody})
     */
    static void lanes16(
            float[] x,
            int x0,
            int x1,
            int x2,
            int x3,
            float[] w,
            int w0,
            int stride,
            int count,
            float[] lanes,
            int step) {
        int whole = count / Lanes.COUNT * Lanes.COUNT;
        if (LANES == Lanes.COUNT) {
            wideBody(x, x0, x1, x2, x3, w, w0, stride, whole, lanes);
        } else {
            narrowBody(x, x0, x1, w, w0, stride, whole, step, lanes, 0);
            narrowBody(x, x2, x3, w, w0, stride, whole, step, lanes, OUTPUTS / 2 * Lanes.COUNT);
        }
        if (whole < count) {
            dotsTail(x, x0, w, w0, stride, whole, count, lanes, 0);
            dotsTail(x, x1, w, w0, stride, whole, count, lanes, SIDE);
            dotsTail(x, x2, w, w0, stride, whole, count, lanes, 2 * SIDE);
            dotsTail(x, x3, w, w0, stride, whole, count, lanes, 3 * SIDE);
        }
    }

    /** All sixteen lanes in one vector and sixteen sums in registers: for 32 vector registers. */
    private static void wideBody(
            float[] x, int x0, int x1, int x2, int x3, float[] w, int w0, int stride, int whole, float[] lanes) {
        FloatVector a00 = FloatVector.zero(FLOATS);
        FloatVector a01 = a00;
        FloatVector a02 = a00;
        FloatVector a03 = a00;
        FloatVector a10 = a00;
        FloatVector a11 = a00;
        FloatVector a12 = a00;
        FloatVector a13 = a00;
        FloatVector a20 = a00;
        FloatVector a21 = a00;
        FloatVector a22 = a00;
        FloatVector a23 = a00;
        FloatVector a30 = a00;
        FloatVector a31 = a00;
        FloatVector a32 = a00;
        FloatVector a33 = a00;
        for (int i = 0; i < whole; i += Lanes.COUNT) {
            FloatVector c0 = FloatVector.fromArray(FLOATS, w, w0 + i);
            FloatVector c1 = FloatVector.fromArray(FLOATS, w, w0 + stride + i);
            FloatVector c2 = FloatVector.fromArray(FLOATS, w, w0 + 2 * stride + i);
            FloatVector c3 = FloatVector.fromArray(FLOATS, w, w0 + 3 * stride + i);
            FloatVector r = FloatVector.fromArray(FLOATS, x, x0 + i);
            a00 = r.fma(c0, a00);
            a01 = r.fma(c1, a01);
            a02 = r.fma(c2, a02);
            a03 = r.fma(c3, a03);
            r = FloatVector.fromArray(FLOATS, x, x1 + i);
            a10 = r.fma(c0, a10);
            a11 = r.fma(c1, a11);
            a12 = r.fma(c2, a12);
            a13 = r.fma(c3, a13);
            r = FloatVector.fromArray(FLOATS, x, x2 + i);
            a20 = r.fma(c0, a20);
            a21 = r.fma(c1, a21);
            a22 = r.fma(c2, a22);
            a23 = r.fma(c3, a23);
            r = FloatVector.fromArray(FLOATS, x, x3 + i);
            a30 = r.fma(c0, a30);
            a31 = r.fma(c1, a31);
            a32 = r.fma(c2, a32);
            a33 = r.fma(c3, a33);
        }
        a00.intoArray(lanes, 0);
        a01.intoArray(lanes, Lanes.COUNT);
        a02.intoArray(lanes, 2 * Lanes.COUNT);
        a03.intoArray(lanes, 3 * Lanes.COUNT);
        a10.intoArray(lanes, 4 * Lanes.COUNT);
        a11.intoArray(lanes, 5 * Lanes.COUNT);
        a12.intoArray(lanes, 6 * Lanes.COUNT);
        a13.intoArray(lanes, 7 * Lanes.COUNT);
        a20.intoArray(lanes, 8 * Lanes.COUNT);
        a21.intoArray(lanes, 9 * Lanes.COUNT);
        a22.intoArray(lanes, 10 * Lanes.COUNT);
        a23.intoArray(lanes, 11 * Lanes.COUNT);
        a30.intoArray(lanes, 12 * Lanes.COUNT);
        a31.intoArray(lanes, 13 * Lanes.COUNT);
        a32.intoArray(lanes, 14 * Lanes.COUNT);
        a33.intoArray(lanes, 15 * Lanes.COUNT);
    }

    /**
     * Unreduced lanes of the dot products of one row of x with eight rows of w that lie {@code stride} apart.
     *
     * @param lanes [8, 16] from {@code lanesAt}
     */
    static void lanes8(float[] x, int x0, float[] w, int w0, int stride, int count, float[] lanes, int lanesAt) {
        int whole = count / Lanes.COUNT * Lanes.COUNT;
        lanes8Body(x, x0, w, w0, stride, whole, lanes, lanesAt);
        if (whole < count) {
            for (int row = 0; row < ROWS_8; row++) {
                int wOffset = w0 + row * stride;
                Lanes.addProducts(x, x0, w, wOffset, whole, count, lanes, lanesAt + row * Lanes.COUNT);
            }
        }
    }

    private static void lanes8Body(
            float[] x, int x0, float[] w, int w0, int stride, int whole, float[] lanes, int lanesAt) {
        int w1 = w0 + stride;
        int w2 = w1 + stride;
        int w3 = w2 + stride;
        int w4 = w3 + stride;
        int w5 = w4 + stride;
        int w6 = w5 + stride;
        int w7 = w6 + stride;
        for (int part = 0; part < PARTS; part++) {
            int first = part * LANES;
            FloatVector a0 = FloatVector.zero(FLOATS);
            FloatVector a1 = a0;
            FloatVector a2 = a0;
            FloatVector a3 = a0;
            FloatVector a4 = a0;
            FloatVector a5 = a0;
            FloatVector a6 = a0;
            FloatVector a7 = a0;
            for (int i = first; i < whole; i += Lanes.COUNT) {
                FloatVector v = FloatVector.fromArray(FLOATS, x, x0 + i);
                a0 = FloatVector.fromArray(FLOATS, w, w0 + i).fma(v, a0);
                a1 = FloatVector.fromArray(FLOATS, w, w1 + i).fma(v, a1);
                a2 = FloatVector.fromArray(FLOATS, w, w2 + i).fma(v, a2);
                a3 = FloatVector.fromArray(FLOATS, w, w3 + i).fma(v, a3);
                a4 = FloatVector.fromArray(FLOATS, w, w4 + i).fma(v, a4);
                a5 = FloatVector.fromArray(FLOATS, w, w5 + i).fma(v, a5);
                a6 = FloatVector.fromArray(FLOATS, w, w6 + i).fma(v, a6);
                a7 = FloatVector.fromArray(FLOATS, w, w7 + i).fma(v, a7);
            }
            a0.intoArray(lanes, lanesAt + first);
            a1.intoArray(lanes, lanesAt + first + Lanes.COUNT);
            a2.intoArray(lanes, lanesAt + first + 2 * Lanes.COUNT);
            a3.intoArray(lanes, lanesAt + first + 3 * Lanes.COUNT);
            a4.intoArray(lanes, lanesAt + first + 4 * Lanes.COUNT);
            a5.intoArray(lanes, lanesAt + first + 5 * Lanes.COUNT);
            a6.intoArray(lanes, lanesAt + first + 6 * Lanes.COUNT);
            a7.intoArray(lanes, lanesAt + first + 7 * Lanes.COUNT);
        }
    }

    /**
     * Two rows of x at a time, eight sums in registers: sixteen of them would spill where there are sixteen vector registers. The lanes are
     * taken in {@link VectorWidth#PARTS} passes.
     *
     * @param step 16, but not as a constant: the compiler would unroll the loop, and then spills (0.59 ns for 16 products instead of 0.40)
     * @param lanesAt where the eight sums begin in {@code lanes}
     */
    private static void narrowBody(
            float[] x, int x0, int x1, float[] w, int w0, int stride, int whole, int step, float[] lanes, int lanesAt) {
        int w1 = w0 + stride;
        int w2 = w1 + stride;
        int w3 = w2 + stride;
        for (int part = 0; part < PARTS; part++) {
            int first = part * LANES;
            FloatVector a00 = FloatVector.zero(FLOATS);
            FloatVector a01 = a00;
            FloatVector a02 = a00;
            FloatVector a03 = a00;
            FloatVector a10 = a00;
            FloatVector a11 = a00;
            FloatVector a12 = a00;
            FloatVector a13 = a00;
            for (int i = first; i < whole; i += step) {
                FloatVector r0 = FloatVector.fromArray(FLOATS, x, x0 + i);
                FloatVector r1 = FloatVector.fromArray(FLOATS, x, x1 + i);
                FloatVector c = FloatVector.fromArray(FLOATS, w, w0 + i);
                a00 = r0.fma(c, a00);
                a10 = r1.fma(c, a10);
                c = FloatVector.fromArray(FLOATS, w, w1 + i);
                a01 = r0.fma(c, a01);
                a11 = r1.fma(c, a11);
                c = FloatVector.fromArray(FLOATS, w, w2 + i);
                a02 = r0.fma(c, a02);
                a12 = r1.fma(c, a12);
                c = FloatVector.fromArray(FLOATS, w, w3 + i);
                a03 = r0.fma(c, a03);
                a13 = r1.fma(c, a13);
            }
            a00.intoArray(lanes, lanesAt + first);
            a01.intoArray(lanes, lanesAt + first + Lanes.COUNT);
            a02.intoArray(lanes, lanesAt + first + 2 * Lanes.COUNT);
            a03.intoArray(lanes, lanesAt + first + 3 * Lanes.COUNT);
            a10.intoArray(lanes, lanesAt + first + 4 * Lanes.COUNT);
            a11.intoArray(lanes, lanesAt + first + 5 * Lanes.COUNT);
            a12.intoArray(lanes, lanesAt + first + 6 * Lanes.COUNT);
            a13.intoArray(lanes, lanesAt + first + 7 * Lanes.COUNT);
        }
    }

    private static void dotsTail(
            float[] x, int xOffset, float[] w, int w0, int stride, int whole, int count, float[] lanes, int output) {
        for (int column = 0; column < SIDE; column++) {
            int wOffset = w0 + column * stride;
            Lanes.addProducts(x, xOffset, w, wOffset, whole, count, lanes, (output + column) * Lanes.COUNT);
        }
    }

    // The tree of 16 sums at once. Folding a and b by half their lanes, keep = a's low half beside b's high half and
    // move = the other two halves exchanged: keep + move holds a's fold in the low half and b's in the high half, so
    // no lane is idle, and after the last fold a lane's index is its sum's index. There is one short loop per level,
    // through memory: in one piece it would be too much to inline.

    private static final VectorMask<Float> HIGH_8 = highBit(8);
    private static final VectorMask<Float> HIGH_4 = highBit(4);
    private static final VectorMask<Float> HIGH_2 = highBit(2);
    private static final VectorMask<Float> HIGH_1 = highBit(1);
    private static final VectorShuffle<Float> SWAP_8 = swap(8);
    private static final VectorShuffle<Float> SWAP_4 = swap(4);
    private static final VectorShuffle<Float> SWAP_2 = swap(2);
    private static final VectorShuffle<Float> SWAP_1 = swap(1);

    /** Lanes whose index has that bit. */
    private static VectorMask<Float> highBit(int bit) {
        var lanes = new boolean[LANES];
        for (int i = 0; i < LANES; i++) {
            lanes[i] = (i & bit) != 0;
        }
        return VectorMask.fromArray(FLOATS, lanes, 0);
    }

    private static VectorShuffle<Float> swap(int bit) {
        return VectorShuffle.fromOp(FLOATS, i -> (i ^ bit) % LANES);
    }

    /** {@link Lanes#tree} of 16 times 16 lanes; overwrites the lanes. */
    static void reduce(float[] lanes, float[] sums) {
        if (LANES == 16) {
            fold8(lanes);
            fold4(lanes);
        } else if (LANES == 8) {
            addHalves(lanes);
            fold4(lanes);
        } else {
            addQuarters(lanes);
        }
        fold2(lanes);
        fold1(lanes, sums);
    }

    private static void addHalves(float[] lanes) {
        for (int i = 0; i < OUTPUTS * Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector low = FloatVector.fromArray(FLOATS, lanes, i);
            low.add(FloatVector.fromArray(FLOATS, lanes, i + 8)).intoArray(lanes, i);
        }
    }

    private static void addQuarters(float[] lanes) {
        for (int i = 0; i < OUTPUTS * Lanes.COUNT; i += Lanes.COUNT) {
            FloatVector first =
                    FloatVector.fromArray(FLOATS, lanes, i).add(FloatVector.fromArray(FLOATS, lanes, i + 8));
            FloatVector second =
                    FloatVector.fromArray(FLOATS, lanes, i + 4).add(FloatVector.fromArray(FLOATS, lanes, i + 12));
            first.add(second).intoArray(lanes, i);
        }
    }

    private static void fold8(float[] lanes) {
        for (int group = 0; group < OUTPUTS; group += LANES) {
            for (int i = group; i < group + 8; i++) {
                FloatVector a = FloatVector.fromArray(FLOATS, lanes, i * Lanes.COUNT);
                FloatVector b = FloatVector.fromArray(FLOATS, lanes, (i + 8) * Lanes.COUNT);
                FloatVector move = b.blend(a, HIGH_8).rearrange(SWAP_8);
                a.blend(b, HIGH_8).add(move).intoArray(lanes, i * Lanes.COUNT);
            }
        }
    }

    private static void fold4(float[] lanes) {
        for (int group = 0; group < OUTPUTS; group += LANES) {
            for (int i = group; i < group + 4; i++) {
                FloatVector a = FloatVector.fromArray(FLOATS, lanes, i * Lanes.COUNT);
                FloatVector b = FloatVector.fromArray(FLOATS, lanes, (i + 4) * Lanes.COUNT);
                FloatVector move = b.blend(a, HIGH_4).rearrange(SWAP_4);
                a.blend(b, HIGH_4).add(move).intoArray(lanes, i * Lanes.COUNT);
            }
        }
    }

    private static void fold2(float[] lanes) {
        for (int group = 0; group < OUTPUTS; group += LANES) {
            for (int i = group; i < group + 2; i++) {
                FloatVector a = FloatVector.fromArray(FLOATS, lanes, i * Lanes.COUNT);
                FloatVector b = FloatVector.fromArray(FLOATS, lanes, (i + 2) * Lanes.COUNT);
                FloatVector move = b.blend(a, HIGH_2).rearrange(SWAP_2);
                a.blend(b, HIGH_2).add(move).intoArray(lanes, i * Lanes.COUNT);
            }
        }
    }

    private static void fold1(float[] lanes, float[] sums) {
        for (int group = 0; group < OUTPUTS; group += LANES) {
            FloatVector a = FloatVector.fromArray(FLOATS, lanes, group * Lanes.COUNT);
            FloatVector b = FloatVector.fromArray(FLOATS, lanes, (group + 1) * Lanes.COUNT);
            FloatVector move = b.blend(a, HIGH_1).rearrange(SWAP_1);
            a.blend(b, HIGH_1).add(move).intoArray(sums, group);
        }
    }
}
