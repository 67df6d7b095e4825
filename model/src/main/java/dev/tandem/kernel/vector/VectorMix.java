package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;

import jdk.incubator.vector.FloatVector;

/**
 * The second half of attention: values of the cache mixed by their probabilities, tokens ascending. There is no tree here: every value of
 * the result is one chain of multiply-adds, so queries and columns are taken side by side to hide the latency. Stateless.
 */
final class VectorMix {
    /** Queries of one {@link #mix4}. */
    static final int QUERIES = 4;

    private VectorMix() {}

    /**
     * {@code out[j, :] = fma(p[pj + t], v[t, :], out[j, :])} for four queries j and t ascending.
     *
     * @param p0 where the first query's probabilities for these tokens begin; p1..p3 alike
     * @param v [tokens, columns]
     * @param out [4, columns] from {@code outOffset}
     */
    static void mix4(
            float[] p, int p0, int p1, int p2, int p3, float[] v, int tokens, int columns, float[] out, int outOffset) {
        int whole = columns / (2 * LANES) * (2 * LANES);
        for (int d = 0; d < whole; d += 2 * LANES) {
            mix4Body(p, p0, p1, p2, p3, v, d, tokens, columns, out, outOffset + d);
        }
        if (whole < columns) {
            mixTail(p, p0, v, 0, tokens, whole, columns, out, outOffset);
            mixTail(p, p1, v, 0, tokens, whole, columns, out, outOffset + columns);
            mixTail(p, p2, v, 0, tokens, whole, columns, out, outOffset + 2 * columns);
            mixTail(p, p3, v, 0, tokens, whole, columns, out, outOffset + 3 * columns);
        }
    }

    private static void mix4Body(
            float[] p,
            int p0,
            int p1,
            int p2,
            int p3,
            float[] v,
            int vOffset,
            int tokens,
            int columns,
            float[] out,
            int o0) {
        int o1 = o0 + columns;
        int o2 = o1 + columns;
        int o3 = o2 + columns;
        FloatVector a0 = FloatVector.fromArray(FLOATS, out, o0);
        FloatVector b0 = FloatVector.fromArray(FLOATS, out, o0 + LANES);
        FloatVector a1 = FloatVector.fromArray(FLOATS, out, o1);
        FloatVector b1 = FloatVector.fromArray(FLOATS, out, o1 + LANES);
        FloatVector a2 = FloatVector.fromArray(FLOATS, out, o2);
        FloatVector b2 = FloatVector.fromArray(FLOATS, out, o2 + LANES);
        FloatVector a3 = FloatVector.fromArray(FLOATS, out, o3);
        FloatVector b3 = FloatVector.fromArray(FLOATS, out, o3 + LANES);
        for (int t = 0; t < tokens; t++) {
            FloatVector low = FloatVector.fromArray(FLOATS, v, vOffset + t * columns);
            FloatVector high = FloatVector.fromArray(FLOATS, v, vOffset + t * columns + LANES);
            FloatVector weight = FloatVector.broadcast(FLOATS, p[p0 + t]);
            a0 = weight.fma(low, a0);
            b0 = weight.fma(high, b0);
            weight = FloatVector.broadcast(FLOATS, p[p1 + t]);
            a1 = weight.fma(low, a1);
            b1 = weight.fma(high, b1);
            weight = FloatVector.broadcast(FLOATS, p[p2 + t]);
            a2 = weight.fma(low, a2);
            b2 = weight.fma(high, b2);
            weight = FloatVector.broadcast(FLOATS, p[p3 + t]);
            a3 = weight.fma(low, a3);
            b3 = weight.fma(high, b3);
        }
        a0.intoArray(out, o0);
        b0.intoArray(out, o0 + LANES);
        a1.intoArray(out, o1);
        b1.intoArray(out, o1 + LANES);
        a2.intoArray(out, o2);
        b2.intoArray(out, o2 + LANES);
        a3.intoArray(out, o3);
        b3.intoArray(out, o3 + LANES);
    }

    /** {@link #mix4} for one query, tokens from..to-1 of v. */
    static void mix(float[] p, int pOffset, float[] v, int from, int to, int columns, float[] out, int outOffset) {
        mixTail(p, pOffset, v, from, to, 0, columns, out, outOffset);
    }

    private static void mixTail(
            float[] p, int pOffset, float[] v, int from, int to, int column, int columns, float[] out, int outOffset) {
        int whole = column + FLOATS.loopBound(columns - column);
        for (int t = from; t < to; t++) {
            FloatVector weight = FloatVector.broadcast(FLOATS, p[pOffset + t]);
            for (int d = column; d < whole; d += LANES) {
                FloatVector sum = FloatVector.fromArray(FLOATS, out, outOffset + d);
                weight.fma(FloatVector.fromArray(FLOATS, v, t * columns + d), sum)
                        .intoArray(out, outOffset + d);
            }
            for (int d = whole; d < columns; d++) {
                out[outOffset + d] = Math.fma(p[pOffset + t], v[t * columns + d], out[outOffset + d]);
            }
        }
    }
}
