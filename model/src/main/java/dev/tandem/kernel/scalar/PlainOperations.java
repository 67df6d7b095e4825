package dev.tandem.kernel.scalar;

import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;

/**
 * Operations on so few values that no implementation of {@link Kernels} needs one of its own: a router's scores, the rotary parts of
 * heads, what a step adds to the cache. Plain code on the calling thread; stateless.
 */
public final class PlainOperations {
    private PlainOperations() {}

    /** In place {@code x[r, i] = 1 / (1 + exp(-x[r, i]))} for r < rows, i < columns: a router's scores. */
    public static void sigmoid(Matrix x, int rows, int columns) {
        Operands.columns("x", columns, x);
        for (int r = 0; r < rows; r++) {
            for (int i = x.offset(r); i < x.offset(r) + columns; i++) {
                x.values()[i] = 1f / (1f + Exp.of(-x.values()[i]));
            }
        }
    }

    /**
     * Interleaved rotary embedding in place: pair (2i, 2i + 1) of every head turns by position * inverse frequency i.
     *
     * @param columns where the rotated values of a head begin
     * @param positions position of each row
     */
    public static void rotateInterleaved(
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

    /**
     * Stores heads of rows into cache blocks, rounded to the plane's type (to nearest, ties to even). Few values and bound by memory.
     *
     * @param x row r's columns {@code [column, column + heads*headDim)} go to slot {@code slots[r]}
     * @param slots block id * block size + offset in the block, one per row
     */
    public static void storeKv(Matrix x, int rows, int column, KvPlaneView view, int[] slots) {
        int heads = view.heads();
        int headDim = view.headDim();
        Operands.columns("x", column + heads * headDim, x);
        for (int r = 0; r < rows; r++) {
            int block = slots[r] / view.blockSize();
            int offsetInBlock = slots[r] % view.blockSize();
            for (int h = 0; h < heads; h++) {
                long to = KvAddress.of(view, block, h, offsetInBlock);
                int from = x.offset(r) + column + h * headDim;
                StoredValues.store(view.dtype(), x.values(), from, headDim, view.data(), to);
            }
        }
    }
}
