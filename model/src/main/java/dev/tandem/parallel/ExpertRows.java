package dev.tandem.parallel;

import dev.tandem.kernel.Matrix;
import java.util.Arrays;

/**
 * Rows of one layer on their way to experts: packed by ascending expert, one row per pair of token and expert. Buffers are taken once and
 * filled again for every layer. Owned by the home rank's worker; an exchange may let other threads read {@link #x} and write disjoint
 * rows of {@link #results} until it returns.
 */
public final class ExpertRows {
    private final int[] firstRow; // [experts + 1] where an expert's rows begin
    private final Matrix x; // [maxRows, hidden]
    private final Matrix results; // [maxRows, hidden]
    private int layer;

    /** Buffers for at most {@code maxRows} pairs of token and expert. */
    public ExpertRows(int maxRows, int hiddenSize, int experts) {
        this.firstRow = new int[experts + 1];
        this.x = Matrix.of(maxRows, hiddenSize);
        this.results = Matrix.of(maxRows, hiddenSize);
    }

    /** Begins a new set of rows; {@link #count} follows for every expert in ascending order, then the rows of {@link #x}. */
    public void begin(int layerIndex) {
        layer = layerIndex;
        Arrays.fill(firstRow, 0);
    }

    /** Sets how many rows an expert gets, for experts in ascending order, and returns the first of them. */
    public int count(int expert, int rows) {
        firstRow[expert + 1] = firstRow[expert] + rows;
        return firstRow[expert];
    }

    /** The decoder layer whose experts are meant. */
    public int layer() {
        return layer;
    }

    /** Experts of a layer. */
    public int experts() {
        return firstRow.length - 1;
    }

    /** Where an expert's rows begin; those of expert e end at {@code firstRow(e + 1)}. */
    public int firstRow(int expert) {
        return firstRow[expert];
    }

    /** Rows of all experts together. */
    public int rows() {
        return firstRow[firstRow.length - 1];
    }

    /** Inputs: [rows, hidden]. */
    public Matrix x() {
        return x;
    }

    /** Outputs of the experts, not yet weighted: [rows, hidden]. */
    public Matrix results() {
        return results;
    }
}
