package dev.tandem.kernel.scalar;

import dev.tandem.kernel.Kernels;

/**
 * The one reduction order, in plain code: 16 virtual lanes and one tree ({@link Kernels}). {@code lanes} arguments are a caller's
 * scratch of at least {@link #COUNT} values. Stateless.
 */
public final class Lanes {
    /** Virtual lanes of every sum. */
    public static final int COUNT = 16;

    private Lanes() {}

    /** Sum of {@code a[i] * b[i]}, i < count. */
    public static float dot(float[] a, int aOffset, float[] b, int bOffset, int count, float[] lanes) {
        clear(lanes);
        addProducts(a, aOffset, b, bOffset, 0, count, lanes, 0);
        return tree(lanes, 0);
    }

    /** Sum of {@code values[i]}, i < count. */
    public static float sum(float[] values, int offset, int count, float[] lanes) {
        clear(lanes);
        addValues(values, offset, 0, count, lanes);
        return tree(lanes, 0);
    }

    /** Adds products {@code from} (a multiple of 16) to {@code to} (exclusive) to their lanes, which begin at {@code lanesOffset}. */
    public static void addProducts(
            float[] a, int aOffset, float[] b, int bOffset, int from, int to, float[] lanes, int lanesOffset) {
        int whole = from + (to - from) / COUNT * COUNT;
        for (int i = from; i < whole; i += COUNT) {
            for (int j = 0; j < COUNT; j++) {
                lanes[lanesOffset + j] = Math.fma(a[aOffset + i + j], b[bOffset + i + j], lanes[lanesOffset + j]);
            }
        }
        for (int i = whole; i < to; i++) {
            int lane = lanesOffset + i - whole;
            lanes[lane] = Math.fma(a[aOffset + i], b[bOffset + i], lanes[lane]);
        }
    }

    /** Adds values {@code from} (a multiple of 16) to {@code to} (exclusive) to their lanes. */
    public static void addValues(float[] values, int offset, int from, int to, float[] lanes) {
        for (int i = from; i < to; i++) {
            lanes[i % COUNT] += values[offset + i];
        }
    }

    /** The tree over 16 finished lanes that begin at {@code at}; overwrites the first eight of them. */
    public static float tree(float[] lanes, int at) {
        for (int half = COUNT / 2; half > 0; half /= 2) {
            for (int j = 0; j < half; j++) {
                lanes[at + j] += lanes[at + j + half];
            }
        }
        return lanes[at];
    }

    private static void clear(float[] lanes) {
        for (int j = 0; j < COUNT; j++) {
            lanes[j] = 0f;
        }
    }
}
