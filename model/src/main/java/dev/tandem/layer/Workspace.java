package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.ExpertRows;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Scratch memory of one rank's graph. Layers ask for buffers by name while the graph is built; whoever asks for the same name and width
 * gets the same buffer, so the layers of a model share one set, and what a layer leaves in a buffer lasts until the next layer writes
 * there. A step takes no memory. Buffers are sized by the rows of one pass, not by the longest batch. Owned by the thread that loads
 * the model, and afterwards by the rank worker.
 */
public final class Workspace {
    private final Rank rank;
    private final int maxRows;
    private final int[] rowNumbers; // [maxRows] 0, 1, 2, ...
    private final Map<String, Matrix> matrices = new HashMap<>();
    private final Map<String, GatherBuffer> gathered = new HashMap<>();
    private @Nullable ExpertRows expertRows;

    /** @param maxRows most rows of one pass through the layers */
    public Workspace(Rank rank, int maxRows) {
        this.rank = rank;
        this.maxRows = maxRows;
        this.rowNumbers = new int[maxRows];
        for (int row = 0; row < maxRows; row++) {
            rowNumbers[row] = row;
        }
    }

    /** Most rows of one pass. */
    public int maxRows() {
        return maxRows;
    }

    /** Values that this rank alone computes and reads: [maxRows, columns]. */
    public Matrix matrix(String name, int columns) {
        return matrices.computeIfAbsent(name + " " + columns, key -> Matrix.of(maxRows, columns));
    }

    /**
     * Values of which every rank computes its part before all ranks read the whole: [maxRows, columns].
     *
     * @param columns over the whole tensor-parallel group
     */
    public GatherBuffer gathered(String name, int columns) {
        return gathered.computeIfAbsent(name + " " + columns, key -> GatherBuffer.of(rank, maxRows, columns));
    }

    /** The numbers 0, 1, 2, …, for results that lie packed in the first rows of a matrix: [maxRows]. */
    int[] rowNumbers() {
        return rowNumbers;
    }

    /** This rank's share of a pass on its way to experts that live on other ranks; all layers of a model have the same sizes. */
    ExpertRows expertRows(ExpertChoice choice, int hiddenSize) {
        ExpertRows rows = expertRows;
        if (rows == null) {
            int share = Math.ceilDiv(maxRows, rank.tpSize());
            rows = new ExpertRows(share * choice.active(), hiddenSize, choice.experts());
            expertRows = rows;
        }
        return rows;
    }
}
