package dev.tandem.kernel.scalar;

/**
 * Loops over the values of one row: the formulas of {@link ScalarKernels}. Implementations with vectors end their own loops with them.
 * Stateless; {@code lanes} arguments are scratch as in {@link Lanes}.
 */
public final class ScalarRows {
    private ScalarRows() {}

    public static void norm(
            float[] x,
            int xOffset,
            float[] weight,
            int count,
            float epsilon,
            float[] out,
            int outOffset,
            float[] lanes) {
        float squares = Lanes.dot(x, xOffset, x, xOffset, count, lanes);
        float root = rootMeanSquare(squares, count, epsilon);
        for (int i = 0; i < count; i++) {
            out[outOffset + i] = weight[i] * (x[xOffset + i] / root);
        }
    }

    /** The square root is taken in double and rounded once, which is the correctly rounded float root. */
    public static float rootMeanSquare(float squares, int count, float epsilon) {
        return (float) Math.sqrt(squares / count + epsilon);
    }

    /** Pairs from..pairs-1 of the head at {@code at}. */
    public static void rotatePairs(
            float[] x, int at, float[] cosines, float[] sines, int tableAt, int pairs, int from) {
        for (int i = from; i < pairs; i++) {
            float first = x[at + i];
            float second = x[at + i + pairs];
            float cosine = cosines[tableAt + i];
            float sine = sines[tableAt + i];
            x[at + i] = Math.fma(first, cosine, -(second * sine));
            x[at + i + pairs] = Math.fma(second, cosine, first * sine);
        }
    }

    public static float silu(float v) {
        return v / (1f + Exp.of(-v));
    }

    public static void softmax(float[] values, int offset, int count, float[] lanes) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            max = Math.max(max, values[offset + i]);
        }
        for (int i = 0; i < count; i++) {
            values[offset + i] = Exp.of(values[offset + i] - max);
        }
        float sum = Lanes.sum(values, offset, count, lanes);
        for (int i = 0; i < count; i++) {
            values[offset + i] /= sum;
        }
    }
}
