package dev.tandem.engine.cluster.expert;

import dev.tandem.parallel.ExpertRows;

/**
 * Some of the rows that are on their way: those in {@code [fromRow, toRow)}, which are of experts in {@code [fromExpert, toExpert)}.
 */
record RowRange(int fromExpert, int toExpert, int fromRow, int toRow) {
    /** All rows of some experts. */
    static RowRange of(ExpertRows rows, int fromExpert, int toExpert) {
        return new RowRange(fromExpert, toExpert, rows.firstRow(fromExpert), rows.firstRow(toExpert));
    }

    int rows() {
        return toRow - fromRow;
    }

    /** Rows of one of its experts in this range. */
    int rowsOf(ExpertRows rows, int expert) {
        return Math.max(0, Math.min(toRow, rows.firstRow(expert + 1)) - Math.max(fromRow, rows.firstRow(expert)));
    }
}
