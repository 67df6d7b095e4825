package dev.tandem.kernel.vector;

import static dev.tandem.kernel.vector.VectorWidth.FLOATS;
import static dev.tandem.kernel.vector.VectorWidth.LANES;
import static dev.tandem.kernel.vector.VectorWidth.PARTS;

import dev.tandem.kernel.scalar.Exp;
import dev.tandem.kernel.scalar.Lanes;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.kernel.scalar.ScalarRows;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/** Loops over the values of one row, a vector at a time and the rest in the plain way of {@link ScalarKernels}. Stateless. */
final class VectorRows {
    private VectorRows() {}

    /** {@link Exp#of} in every lane. */
    static FloatVector exp(FloatVector x) {
        FloatVector shifted = x.fma(broadcast(Exp.LOG2_E), broadcast(Exp.ROUNDER));
        FloatVector n = shifted.sub(Exp.ROUNDER);
        FloatVector r = n.fma(broadcast(-Exp.LN2_HIGH), x);
        r = n.fma(broadcast(-Exp.LN2_LOW), r);
        FloatVector p = broadcast(Exp.C7).fma(r, broadcast(Exp.C6));
        p = p.fma(r, broadcast(Exp.C5));
        p = p.fma(r, broadcast(Exp.C4));
        p = p.fma(r, broadcast(Exp.C3));
        p = p.fma(r, broadcast(Exp.C2));
        p = p.fma(r, broadcast(1f));
        p = p.fma(r, broadcast(1f));
        IntVector exponent = shifted.reinterpretAsInts().sub(Exp.ROUNDER_BITS - Exp.EXPONENT_BIAS);
        FloatVector result = p.mul(
                exponent.lanewise(VectorOperators.LSHL, Exp.EXPONENT_SHIFT).reinterpretAsFloats());
        result = result.blend(0f, x.compare(VectorOperators.LT, Exp.LOWEST));
        return result.blend(Float.POSITIVE_INFINITY, x.compare(VectorOperators.GT, Exp.HIGHEST));
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    /** Sum of squares; {@code lanes} is scratch. */
    static float squares(float[] x, int offset, int count, float[] lanes) {
        int whole = count / Lanes.COUNT * Lanes.COUNT;
        for (int part = 0; part < PARTS; part++) {
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int i = part * LANES; i < whole; i += Lanes.COUNT) {
                FloatVector v = FloatVector.fromArray(FLOATS, x, offset + i);
                sum = v.fma(v, sum);
            }
            sum.intoArray(lanes, part * LANES);
        }
        Lanes.addProducts(x, offset, x, offset, whole, count, lanes, 0);
        return Lanes.tree(lanes, 0);
    }

    /** Sum of values; {@code lanes} is scratch. */
    static float sum(float[] values, int offset, int count, float[] lanes) {
        int whole = count / Lanes.COUNT * Lanes.COUNT;
        for (int part = 0; part < PARTS; part++) {
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int i = part * LANES; i < whole; i += Lanes.COUNT) {
                sum = sum.add(FloatVector.fromArray(FLOATS, values, offset + i));
            }
            sum.intoArray(lanes, part * LANES);
        }
        Lanes.addValues(values, offset, whole, count, lanes);
        return Lanes.tree(lanes, 0);
    }

    static void norm(
            float[] x,
            int xOffset,
            float[] weight,
            int count,
            float epsilon,
            float[] out,
            int outOffset,
            float[] lanes) {
        float root = ScalarRows.rootMeanSquare(squares(x, xOffset, count, lanes), count, epsilon);
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector scaled = FloatVector.fromArray(FLOATS, x, xOffset + i).div(root);
            FloatVector.fromArray(FLOATS, weight, i).mul(scaled).intoArray(out, outOffset + i);
        }
        for (int i = whole; i < count; i++) {
            out[outOffset + i] = weight[i] * (x[xOffset + i] / root);
        }
    }

    /** One head; pair i is (at + i, at + i + pairs). */
    static void rotate(float[] x, int at, float[] cosines, float[] sines, int tableAt, int pairs) {
        int whole = FLOATS.loopBound(pairs);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector first = FloatVector.fromArray(FLOATS, x, at + i);
            FloatVector second = FloatVector.fromArray(FLOATS, x, at + pairs + i);
            FloatVector cosine = FloatVector.fromArray(FLOATS, cosines, tableAt + i);
            FloatVector sine = FloatVector.fromArray(FLOATS, sines, tableAt + i);
            first.fma(cosine, second.mul(sine).neg()).intoArray(x, at + i);
            second.fma(cosine, first.mul(sine)).intoArray(x, at + pairs + i);
        }
        ScalarRows.rotatePairs(x, at, cosines, sines, tableAt, pairs, whole);
    }

    static void add(float[] x, int xOffset, float[] y, int yOffset, int count) {
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector.fromArray(FLOATS, x, xOffset + i)
                    .add(FloatVector.fromArray(FLOATS, y, yOffset + i))
                    .intoArray(x, xOffset + i);
        }
        for (int i = whole; i < count; i++) {
            x[xOffset + i] += y[yOffset + i];
        }
    }

    static void addScaled(float[] x, int xOffset, float scale, float[] y, int yOffset, int count) {
        FloatVector factor = broadcast(scale);
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector sum = FloatVector.fromArray(FLOATS, x, xOffset + i);
            FloatVector.fromArray(FLOATS, y, yOffset + i).fma(factor, sum).intoArray(x, xOffset + i);
        }
        for (int i = whole; i < count; i++) {
            x[xOffset + i] = Math.fma(scale, y[yOffset + i], x[xOffset + i]);
        }
    }

    static void siluMultiply(float[] gate, int gateOffset, float[] up, int upOffset, int count) {
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector v = FloatVector.fromArray(FLOATS, gate, gateOffset + i);
            FloatVector silu = v.div(exp(v.neg()).add(1f));
            silu.mul(FloatVector.fromArray(FLOATS, up, upOffset + i)).intoArray(gate, gateOffset + i);
        }
        for (int i = whole; i < count; i++) {
            gate[gateOffset + i] = ScalarRows.silu(gate[gateOffset + i]) * up[upOffset + i];
        }
    }

    static void softmax(float[] values, int offset, int count, float[] lanes) {
        float max = max(values, offset, count);
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            exp(FloatVector.fromArray(FLOATS, values, offset + i).sub(max)).intoArray(values, offset + i);
        }
        for (int i = whole; i < count; i++) {
            values[offset + i] = Exp.of(values[offset + i] - max);
        }
        float sum = sum(values, offset, count, lanes);
        for (int i = 0; i < whole; i += LANES) {
            FloatVector.fromArray(FLOATS, values, offset + i).div(sum).intoArray(values, offset + i);
        }
        for (int i = whole; i < count; i++) {
            values[offset + i] /= sum;
        }
    }

    /** The maximum does not depend on the order; zeros of both signs give the same softmax. */
    private static float max(float[] values, int offset, int count) {
        FloatVector maxima = broadcast(Float.NEGATIVE_INFINITY);
        int whole = FLOATS.loopBound(count);
        for (int i = 0; i < whole; i += LANES) {
            maxima = maxima.max(FloatVector.fromArray(FLOATS, values, offset + i));
        }
        float max = maxima.reduceLanes(VectorOperators.MAX);
        for (int i = whole; i < count; i++) {
            max = Math.max(max, values[offset + i]);
        }
        return max;
    }
}
