package dev.tandem.engine.schedule;

/** Rows that one step may still take. */
final class StepBudget {
    private int rowsLeft;

    /** @param rows {@code --max-num-batched-tokens} */
    StepBudget(int rows) {
        this.rowsLeft = rows;
    }

    /** Whether {@link #take} would give at least one row. */
    boolean fits(int pendingTokens, boolean isDivisible) {
        return isDivisible ? rowsLeft > 0 : pendingTokens <= rowsLeft;
    }

    /**
     * Takes what a sequence may compute now.
     *
     * @param pendingTokens what it would like
     * @param isDivisible fewer are welcome too
     * @return rows taken; 0 when they do not fit
     */
    int take(int pendingTokens, boolean isDivisible) {
        if (!fits(pendingTokens, isDivisible)) {
            return 0;
        }
        int rows = Math.min(pendingTokens, rowsLeft);
        rowsLeft -= rows;
        return rows;
    }
}
