package dev.tandem.kernel.scalar;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;

/**
 * Layer norm of rows in place: {@code fma(weight, (x - mean) / sqrt(variance + epsilon), bias)}, the variance being the mean of squared
 * differences. It normalises the one index key of a token, so few values that plain code does. Weight and bias are widened once. Owned by a rank
 * worker.
 */
public final class LayerNorm {
    private final float[] weight; // [columns]
    private final float[] bias; // [columns]
    private final float epsilon;
    private final float[] lanes = new float[Lanes.COUNT];

    /**
     * @param weight [columns]
     * @param bias [columns]
     */
    public LayerNorm(Tensor weight, Tensor bias, float epsilon) {
        this.weight = widened(weight);
        this.bias = widened(bias);
        this.epsilon = epsilon;
    }

    private static float[] widened(Tensor tensor) {
        var values = new float[tensor.columns()];
        StoredValues.widen(tensor.dtype(), tensor.data(), 0, values, 0, values.length);
        return values;
    }

    /** Norms the first {@code columns} values of each row. */
    public void apply(Matrix x, int rows) {
        Operands.columns("x", weight.length, x);
        for (int r = 0; r < rows; r++) {
            normRow(x.values(), x.offset(r));
        }
    }

    private void normRow(float[] x, int offset) {
        int count = weight.length;
        float mean = Lanes.sum(x, offset, count, lanes) / count;
        for (int i = 0; i < count; i++) {
            x[offset + i] -= mean;
        }
        float squares = Lanes.dot(x, offset, x, offset, count, lanes);
        float root = ScalarRows.rootMeanSquare(squares, count, epsilon);
        for (int i = 0; i < count; i++) {
            x[offset + i] = Math.fma(weight[i], x[offset + i] / root, bias[i]);
        }
    }
}
