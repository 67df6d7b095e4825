package dev.tandem.kernel;

/**
 * One matrix per head, all of them parts of one stored weight: head h has rows {@code [h * stride + firstRow, h * stride + firstRow +
 * rows)}, where stride is the weight's rows divided by the heads.
 *
 * @param stacked [heads * stride, columns], any stored type of linear weights
 * @param heads matrices
 * @param firstRow first row of a head's matrix among the rows of its head
 * @param rows rows of a head's matrix
 */
public record HeadWeight(Tensor stacked, int heads, int firstRow, int rows) {
    /** @throws IllegalArgumentException when the heads do not divide the weight, or have not that many rows */
    public HeadWeight {
        if (stacked.rows() % heads != 0 || firstRow < 0 || rows < 1 || firstRow + rows > stacked.rows() / heads) {
            throw new IllegalArgumentException("rows " + firstRow + " to " + (firstRow + rows) + " of each of " + heads
                    + " heads are not in a weight of " + stacked.rows() + " rows");
        }
    }

    /** Values of one row. */
    public int columns() {
        return stacked.columns();
    }

    /** Bytes from the beginning of the weight to a row of a head's matrix. */
    public long offset(int head, int row) {
        long stride = stacked.rows() / heads;
        return (head * stride + firstRow + row) * stacked.rowBytes();
    }
}
