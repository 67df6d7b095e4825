package dev.tandem.kernel;

/**
 * Where the heads of a row lie among its columns.
 *
 * @param first column of head 0's first value
 * @param stride columns from one head to the next
 */
public record HeadColumns(int first, int stride) {
    /** First column of a head. */
    public int of(int head) {
        return first + head * stride;
    }
}
