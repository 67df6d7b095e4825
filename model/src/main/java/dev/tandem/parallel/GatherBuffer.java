package dev.tandem.parallel;

import dev.tandem.kernel.Matrix;

/**
 * Scratch of an activation whose columns are spread over the ranks of a group: each rank computes its part, an all-gather makes it
 * whole on every rank. In a group of one both are the same matrix.
 *
 * @param part [rows, columns / tpSize] what this rank computes
 * @param whole [rows, columns] all ranks' parts in rank order
 */
public record GatherBuffer(Matrix part, Matrix whole) {
    /** Scratch for {@code rows} rows of {@code columns} values over the whole group. */
    public static GatherBuffer of(Rank rank, int rows, int columns) {
        Matrix whole = Matrix.of(rows, columns);
        Matrix part =
                rank.tpSize() == 1 ? whole : Matrix.of(rows, rank.shard(columns).size());
        return new GatherBuffer(part, whole);
    }

    /** Makes the first rows whole on every rank of the group; a part as wide as the whole is the whole. */
    public void gather(Collective collective, int rows) {
        if (part.columns() == whole.columns()) {
            return;
        }
        collective.allGather(part, rows, part.columns(), whole);
    }
}
