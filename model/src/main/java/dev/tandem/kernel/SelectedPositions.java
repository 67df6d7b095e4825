package dev.tandem.kernel;

/**
 * The positions that each row of a pass attends to, ascending. Buffers are taken once and filled again for every layer. Owned by the rank
 * worker; while a kernel runs its threads write disjoint rows.
 */
public final class SelectedPositions {
    /** Counters that {@link #selectBest} needs. */
    public static final int HISTOGRAM = BestPositions.HISTOGRAM;

    private final int most;
    private final int[] positions; // [maxRows, most]
    private final int[] counts; // [maxRows]

    /**
     * @param maxRows rows of a pass
     * @param most positions of a row
     */
    public SelectedPositions(int maxRows, int most) {
        this.most = most;
        this.positions = new int[Math.multiplyExact(maxRows, most)];
        this.counts = new int[maxRows];
    }

    /** Most positions of a row. */
    public int most() {
        return most;
    }

    /** Rows that have room. */
    public int rows() {
        return counts.length;
    }

    /** How many positions a row has. */
    public int count(int row) {
        return counts[row];
    }

    /** The i-th position of a row. */
    public int position(int row, int i) {
        return positions[row * most + i];
    }

    /** All positions from 0 to the row's own, of which there are at most {@link #most}. */
    public void selectAll(int row, int count) {
        for (int i = 0; i < count; i++) {
            positions[row * most + i] = i;
        }
        counts[row] = count;
    }

    /**
     * The {@link #most} best of more positions: those with the largest scores, of equal ones the lowest.
     *
     * @param scores [count] from {@code offset}
     * @param histogram scratch of {@link #HISTOGRAM} counters
     */
    public void selectBest(int row, float[] scores, int offset, int count, int[] histogram) {
        BestPositions.select(scores, offset, count, most, positions, row * most, histogram);
        counts[row] = most;
    }
}
