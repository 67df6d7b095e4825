package dev.tandem.kernel;

/**
 * Row operations on so few values that scalar and vector kernels share them: a router's scores, the one index key of a token, the
 * rotary parts of heads. Plain code on the calling thread; stateless.
 */
final class PlainRows {
    private PlainRows() {}

    static void sigmoid(Matrix x, int rows, int columns) {
        Operands.columns("x", columns, x);
        for (int r = 0; r < rows; r++) {
            for (int i = x.offset(r); i < x.offset(r) + columns; i++) {
                x.values()[i] = 1f / (1f + Exp.of(-x.values()[i]));
            }
        }
    }

    static void layerNorm(Matrix x, int rows, Tensor weight, Tensor bias, float epsilon, SliceScratch scratch) {
        int count = weight.columns();
        Operands.columns("x", count, x);
        float[] widened = scratch.widened(2 * count);
        StoredValues.widen(weight.dtype(), weight.data(), 0, widened, 0, count);
        StoredValues.widen(bias.dtype(), bias.data(), 0, widened, count, count);
        for (int r = 0; r < rows; r++) {
            normRow(x.values(), x.offset(r), widened, count, epsilon, scratch.lanes);
        }
    }

    private static void normRow(
            float[] x, int offset, float[] weightThenBias, int count, float epsilon, float[] lanes) {
        float mean = Lanes.sum(x, offset, count, lanes) / count;
        for (int i = 0; i < count; i++) {
            x[offset + i] -= mean;
        }
        float squares = Lanes.dot(x, offset, x, offset, count, lanes);
        float root = ScalarKernels.rootMeanSquare(squares, count, epsilon);
        for (int i = 0; i < count; i++) {
            x[offset + i] = Math.fma(weightThenBias[i], x[offset + i] / root, weightThenBias[count + i]);
        }
    }

    static void rotateInterleaved(
            Matrix x, int rows, HeadColumns columns, int heads, int[] positions, RotaryTable table) {
        Operands.heads("x", columns, heads, 2 * table.pairs(), x);
        for (int r = 0; r < rows; r++) {
            int tableAt = positions[r] * table.pairs();
            for (int h = 0; h < heads; h++) {
                int at = x.offset(r) + columns.of(h);
                rotatePairs(x.values(), at, table.cosines(), table.sines(), tableAt, table.pairs());
            }
        }
    }

    private static void rotatePairs(float[] x, int at, float[] cosines, float[] sines, int tableAt, int pairs) {
        for (int i = 0; i < pairs; i++) {
            float first = x[at + 2 * i];
            float second = x[at + 2 * i + 1];
            float cosine = cosines[tableAt + i];
            float sine = sines[tableAt + i];
            x[at + 2 * i] = Math.fma(first, cosine, -(second * sine));
            x[at + 2 * i + 1] = Math.fma(second, cosine, first * sine);
        }
    }
}
