package dev.tandem.kernel;

import java.util.Arrays;

/**
 * The k largest of n scores without sorting them: four passes find the k-th largest byte by byte, a fifth takes what is above it and, of
 * its equals, the lowest positions. Scores are ordered as by {@link Float#compare}, except that both zeros are equal. Stateless.
 */
final class BestPositions {
    /** Counters that {@link #select} needs: one per value of a byte. */
    static final int HISTOGRAM = 256;

    private static final int BYTE = 0xFF;
    private static final int TOP_SHIFT = 24;

    private BestPositions() {}

    /**
     * Writes k positions, ascending.
     *
     * @param scores [n] from {@code offset}
     * @param count n, more than k
     * @param k at least 1
     * @param out [k] from {@code outOffset}
     * @param histogram scratch of {@link #HISTOGRAM} counters
     */
    static void select(float[] scores, int offset, int count, int k, int[] out, int outOffset, int[] histogram) {
        int border = 0; // the k-th largest, its bytes known from the top down to shift
        int left = k; // how many with the bytes known so far are among the k
        for (int shift = TOP_SHIFT; shift >= 0; shift -= Byte.SIZE) {
            Arrays.fill(histogram, 0);
            for (int i = 0; i < count; i++) {
                int order = order(scores[offset + i]);
                if (isSameAbove(order, border, shift)) {
                    histogram[order >>> shift & BYTE]++;
                }
            }
            int bucket = BYTE;
            while (histogram[bucket] < left) {
                left -= histogram[bucket--];
            }
            border |= bucket << shift;
        }
        take(scores, offset, count, border, left, out, outOffset);
    }

    /** Whether two numbers agree in all bytes above the one at {@code shift}. */
    private static boolean isSameAbove(int a, int b, int shift) {
        return shift == TOP_SHIFT || (a ^ b) >>> (shift + Byte.SIZE) == 0;
    }

    private static void take(float[] scores, int offset, int count, int border, int equals, int[] out, int outOffset) {
        int to = outOffset;
        int left = equals;
        for (int i = 0; i < count; i++) {
            int compared = Integer.compareUnsigned(order(scores[offset + i]), border);
            if (compared > 0 || (compared == 0 && left > 0)) {
                out[to++] = i;
                left -= compared == 0 ? 1 : 0;
            }
        }
    }

    /** An unsigned number that grows with the score. */
    private static int order(float score) {
        int bits = Float.floatToIntBits(score + 0f); // -0 becomes +0
        return bits ^ ((bits >> (Integer.SIZE - 1)) | Integer.MIN_VALUE);
    }
}
