package dev.tandem.kernel;

/**
 * One of several products that read the same rows of x in one loop ({@link Kernels#linear(Matrix, int, java.util.List)}).
 * Built once, so that a step allocates nothing.
 *
 * @param weight [outputs, inputs]
 * @param out [rows, at least outColumn + outputs]
 * @param outColumn where the outputs begin in a row of {@code out}
 */
public record LinearPart(LinearWeight weight, Matrix out, int outColumn) {}
