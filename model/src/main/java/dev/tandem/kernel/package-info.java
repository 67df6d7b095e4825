/**
 * Whole operations on tensors, once as a readable specification ({@code ScalarKernels}) and once with the Vector API ({@code
 * VectorKernels}); both give the same bits. Entry: {@link dev.tandem.kernel.Kernels}. Called by rank workers; the loops are cut
 * into slices for {@link dev.tandem.kernel.KernelThreads}.
 */
package dev.tandem.kernel;
