/**
 * Whole operations on tensors, seen from the layers: {@link dev.tandem.kernel.Kernels} with the tensors, matrices and shapes that it
 * takes, and the threads of a rank that it works on. What computes stands in rooms of its own: {@code kernel.scalar} is the
 * specification, {@code kernel.vector} the Vector API; both give the same bits, and {@code kernel.selection} chooses. Entry: {@link
 * dev.tandem.kernel.Kernels}. Called by rank workers; loops are cut into slices for {@link dev.tandem.kernel.KernelThreads}.
 */
package dev.tandem.kernel;
