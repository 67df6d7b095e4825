package dev.tandem.kernel;

/**
 * A scratch matrix of activations in float32, row-major, taken once at start and used again at every step. Not thread-safe;
 * kernels write disjoint parts of it from several kernel threads.
 *
 * @param values [rows * columns]
 * @param rows most rows that it can hold; operations say how many of them they touch
 * @param columns values of one row
 */
@SuppressWarnings("ArrayRecordComponent") // a buffer, never compared
public record Matrix(float[] values, int rows, int columns) {
    /** A zeroed matrix. */
    public static Matrix of(int rows, int columns) {
        return new Matrix(new float[Math.multiplyExact(rows, columns)], rows, columns);
    }

    /** Index in {@link #values()} where a row begins. */
    public int offset(int row) {
        return row * columns;
    }
}
