package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;

/**
 * Half-split rotary embedding: pair (i, i + d/2) of every head turns by position · inverse frequency i. One per rank, shared by its
 * layers.
 */
public final class RotaryEmbedding {
    private final RankContext context;
    private final RotaryTable table;

    /**
     * @param inverseFrequencies one a pair, see {@link RotaryFrequencies}
     * @param positions positions 0..positions-1 can be turned
     */
    public RotaryEmbedding(RankContext context, double[] inverseFrequencies, int positions) {
        this.context = context;
        this.table = RotaryTable.of(inverseFrequencies, positions, 1);
    }

    /** Turns heads in columns {@code [column, column + heads * headDim)} of every row by the row's position, in place. */
    void forward(Matrix x, StepRows rows, int column, int heads) {
        int headDim = 2 * table.pairs();
        context.kernels().rotate(x, rows.count(), column, heads, headDim, rows.positions(), table, context.threads());
    }
}
