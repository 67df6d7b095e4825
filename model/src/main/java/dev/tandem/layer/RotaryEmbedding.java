package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.scalar.PlainOperations;

/**
 * Rotary embedding (RoFormer, arXiv:2104.09864, section 3.4.2): pair i of every head turns by position · inverse frequency i. Pairs are
 * (i, i + d/2), or the neighbours (2i, 2i + 1) where a method says interleaved. There is one per graph, shared by its layers; all ranks of a process share the table.
 */
public final class RotaryEmbedding {
    private final RankContext context;
    private final RotaryTable table;

    /** @param table of the positions that can be turned, see {@link RotaryFrequencies} */
    public RotaryEmbedding(RankContext context, RotaryTable table) {
        this.context = context;
        this.table = table;
    }

    /**
     * The rotary embedding that a model's configuration describes.
     *
     * @param rotated values of a head that are turned
     * @param positions tokens of the longest sequence
     * @param tables of the process
     */
    public static RotaryEmbedding of(RankContext context, Rope rope, int rotated, int positions, RotaryTables tables) {
        double[] inverse = RotaryFrequencies.of(rope, rotated);
        return new RotaryEmbedding(context, tables.of(inverse, positions, RotaryFrequencies.tableFactor(rope)));
    }

    /** Turns the first values of the heads of every row by the row's position, in place. */
    public void forward(Heads heads, StepRows rows) {
        context.kernels()
                .rotate(
                        heads.matrix(),
                        rows.count(),
                        heads.columns().first(),
                        heads.count(),
                        heads.columns().stride(),
                        rows.positions(),
                        table);
    }

    /** Turns neighbouring pairs of the first values of the heads of every row, in place. */
    public void forwardInterleaved(Heads heads, StepRows rows) {
        PlainOperations.rotateInterleaved(
                heads.matrix(), rows.count(), heads.columns(), heads.count(), rows.positions(), table);
    }
}
