package dev.tandem.kernel.scalar;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import java.util.List;

/**
 * Checks that the operands of an operation fit together, before its loops begin. What does not fit is a bug of the caller inside this
 * program, so it is an {@link IllegalStateException} that names the numbers.
 */
public final class Operands {
    private Operands() {}

    public static void linear(Matrix x, LinearWeight weight, Matrix out, int outColumn) {
        columns("x", weight.columns(), x);
        columns("out", outColumn + weight.rows(), out);
        if (weight instanceof Tensor stored) {
            weightType(stored);
        }
    }

    /** Parts of one loop take the same columns of x. */
    public static void parts(Matrix x, List<LinearPart> parts) {
        for (int i = 0; i < parts.size(); i++) {
            LinearPart part = parts.get(i);
            linear(x, part.weight(), part.out(), part.outColumn());
            int columns = part.weight().columns();
            int first = parts.getFirst().weight().columns();
            if (columns != first) {
                throw new IllegalStateException("weights of " + first + " and " + columns + " columns in one loop");
            }
        }
    }

    private static void weightType(Tensor weight) {
        if (weight.dtype() == DType.I8 || weight.dtype() == DType.I32) {
            throw new IllegalStateException("a linear weight cannot be plain " + weight.dtype());
        }
    }

    public static void columns(String name, int needed, Matrix matrix) {
        if (needed > matrix.columns()) {
            throw new IllegalStateException(name + " needs " + needed + " columns and has " + matrix.columns());
        }
    }

    public static void rows(int rows, Matrix matrix) {
        if (rows > matrix.rows()) {
            throw new IllegalStateException(rows + " rows do not fit a matrix of " + matrix.rows());
        }
    }

    /** Heads of {@code width} values each lie inside the rows of a matrix. */
    public static void heads(String name, HeadColumns columns, int heads, int width, Matrix matrix) {
        columns(name, columns.of(heads - 1) + width, matrix);
    }

    public static void headLinear(Matrix x, HeadColumns from, HeadWeight weight, Matrix out, HeadColumns to) {
        heads("x", from, weight.heads(), weight.columns(), x);
        heads("out", to, weight.heads(), weight.rows(), out);
        weightType(weight.stacked());
    }

    public static void headMix(Matrix x, HeadColumns from, HeadWeight weight, Matrix out, HeadColumns to) {
        heads("x", from, weight.heads(), weight.rows(), x);
        heads("out", to, weight.heads(), weight.columns(), out);
        weightType(weight.stacked());
    }

    public static void latentAttention(
            LatentShape shape, Matrix q, Matrix out, KvPlaneView latents, KvPlaneView rotaryKeys) {
        columns("q", shape.heads() * shape.query(), q);
        columns("out", shape.heads() * shape.latent(), out);
        boolean planesFit = isOneHead(latents, shape.latent()) && isOneHead(rotaryKeys, shape.rotary());
        if (!planesFit) {
            throw new IllegalStateException(shape + " does not fit " + latents + " and " + rotaryKeys);
        }
    }

    private static boolean isOneHead(KvPlaneView view, int headDim) {
        return view.heads() == 1 && view.headDim() == headDim;
    }

    public static void selection(AttentionRows rows, SelectedPositions selected) {
        if (rows.count() > selected.rows()) {
            throw new IllegalStateException(rows.count() + " rows do not fit a selection for " + selected.rows());
        }
    }

    public static void rotation(int headDim, RotaryTable table) {
        if (2 * table.pairs() > headDim) {
            throw new IllegalStateException(table.pairs() + " rotary pairs do not fit a head of " + headDim);
        }
    }

    public static void attention(
            AttentionShape shape, Matrix q, int column, Matrix out, KvPlaneView keys, KvPlaneView values) {
        int width = shape.queryHeads() * shape.headDim();
        columns("q", column + width, q);
        columns("out", width, out);
        boolean planesFit = fits(shape, keys) && fits(shape, values);
        if (!planesFit || shape.queryHeads() % shape.kvHeads() != 0) {
            throw new IllegalStateException(shape + " does not fit " + keys + " and " + values);
        }
    }

    private static boolean fits(AttentionShape shape, KvPlaneView view) {
        return view.heads() == shape.kvHeads() && view.headDim() == shape.headDim();
    }
}
