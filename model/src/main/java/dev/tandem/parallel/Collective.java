package dev.tandem.parallel;

import dev.tandem.kernel.Matrix;

/**
 * One rank's place in its tensor-parallel group: the exchanges of activations, which all members call in the same order. No value is ever
 * added to another: parts are only put side by side. Owned by the rank worker.
 */
public final class Collective {
    private final TensorGroup group;
    private final int member;

    Collective(TensorGroup group, int member) {
        this.group = group;
        this.member = member;
    }

    /**
     * Every rank contributes {@code columns} values per row; afterwards {@code whole} holds all ranks' columns, in rank order.
     *
     * @param part [rows, columns] of this rank; must not be used in the next exchange as well
     * @param whole [rows, columns * tpSize]
     */
    public void allGather(Matrix part, int rows, int columns, Matrix whole) {
        Matrix[] parts = group.meet(member, part);
        for (int from = 0; from < parts.length; from++) {
            Matrix theirs = parts[from];
            for (int row = 0; row < rows; row++) {
                System.arraycopy(
                        theirs.values(),
                        theirs.offset(row),
                        whole.values(),
                        whole.offset(row) + from * columns,
                        columns);
            }
        }
    }

    /** The rows of a pass that this rank answers for, where ranks share work by rows: consecutive, as equal as can be. */
    public Shard shareOfRows(int rows) {
        return share(member, rows);
    }

    /**
     * Every rank contributes its {@link #shareOfRows}; afterwards every rank's matrix holds all rows.
     *
     * @param matrix [rows, columns] of this rank; must not be used in the next exchange as well
     */
    public void gatherRows(Matrix matrix, int rows) {
        if (group.size() == 1) {
            return;
        }
        Matrix[] all = group.meet(member, matrix);
        for (int from = 0; from < all.length; from++) {
            Shard share = share(from, rows);
            if (from != member && share.size() > 0) {
                Matrix theirs = all[from];
                System.arraycopy(
                        theirs.values(),
                        theirs.offset(share.from()),
                        matrix.values(),
                        matrix.offset(share.from()),
                        share.size() * matrix.columns());
            }
        }
    }

    private Shard share(int of, int rows) {
        return new Shard((int) ((long) rows * of / group.size()), (int) ((long) rows * (of + 1) / group.size()));
    }

    /** Tells the other ranks that this one has failed, so that they do not wait for it. May be called from any thread. */
    public void fail(Throwable cause) {
        group.fail(cause);
    }
}
