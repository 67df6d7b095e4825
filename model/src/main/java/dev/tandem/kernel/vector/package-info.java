/**
 * The kernels with the Vector API, bit for bit as {@code kernel.scalar} specifies. Entry: {@link dev.tandem.kernel.vector.VectorKernels}.
 * A task cuts an operation into claims for the kernel threads, in the scratch of a {@link dev.tandem.kernel.vector.VectorWorkspace}; the
 * inner loops are static methods on primitives, arrays and segments ({@code VectorDots}, {@code VectorTile}, {@code VectorMix}, {@code
 * VectorRows}, {@code VectorInt8}). Runs on rank workers and kernel threads.
 */
package dev.tandem.kernel.vector;
