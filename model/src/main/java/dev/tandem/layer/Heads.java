package dev.tandem.layer;

import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.Matrix;

/**
 * Attention heads that lie side by side in the columns of an activation matrix. What an operation reads of a head may be less than the
 * stride, as in the rotary embedding of a head's first or last values.
 *
 * @param matrix [maxRows, at least columns.first() + count * columns.stride()]
 * @param columns where the heads begin
 * @param count heads of this rank
 */
public record Heads(Matrix matrix, HeadColumns columns, int count) {
    /** Heads of {@code headDim} values each, from a column on. */
    static Heads of(Matrix matrix, int firstColumn, int count, int headDim) {
        return new Heads(matrix, new HeadColumns(firstColumn, headDim), count);
    }
}
