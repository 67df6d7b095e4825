package dev.tandem.layer;

import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.scalar.PlainOperations;

/**
 * Rotary embedding: pair i of every head turns by position · inverse frequency i. Pairs are (i, i + d/2), or neighbours where a method
 * says interleaved. One per rank, shared by its layers; the table is the process's.
 */
public final class RotaryEmbedding {
    private final RankContext context;
    private final RotaryTable table;

    /** @param table of the positions that can be turned, see {@link RotaryFrequencies} */
    public RotaryEmbedding(RankContext context, RotaryTable table) {
        this.context = context;
        this.table = table;
    }

    /** Turns heads in columns {@code [column, column + heads * headDim)} of every row by the row's position, in place. */
    void forward(Matrix x, StepRows rows, int column, int heads) {
        int headDim = 2 * table.pairs();
        context.kernels().rotate(x, rows.count(), column, heads, headDim, rows.positions(), table);
    }

    /** The same for wider heads, of which only the first values are turned. */
    void forwardFirst(Matrix x, StepRows rows, HeadColumns columns, int heads) {
        context.kernels().rotate(x, rows.count(), columns.first(), heads, columns.stride(), rows.positions(), table);
    }

    /**
     * Turns neighbouring pairs.
     *
     * @param columns where the turned values of a head begin
     */
    void forwardInterleaved(Matrix x, StepRows rows, HeadColumns columns, int heads) {
        PlainOperations.rotateInterleaved(x, rows.count(), columns, heads, rows.positions(), table);
    }
}
