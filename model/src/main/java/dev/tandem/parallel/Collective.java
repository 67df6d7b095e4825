package dev.tandem.parallel;

import dev.tandem.kernel.Matrix;

/**
 * Exchange among the ranks of one tensor-parallel group, in lockstep. This one serves a group of one member; the interface of this
 * shape comes with the second implementation.
 */
public final class Collective {
    /**
     * Every rank contributes {@code columns} values a row; afterwards {@code whole} holds all ranks' columns, in rank order.
     *
     * @param part [rows, columns] of this rank
     * @param whole [rows, columns * tpSize]
     */
    public void allGather(Matrix part, int rows, int columns, Matrix whole) {
        for (int row = 0; row < rows; row++) {
            System.arraycopy(part.values(), part.offset(row), whole.values(), whole.offset(row), columns);
        }
    }
}
