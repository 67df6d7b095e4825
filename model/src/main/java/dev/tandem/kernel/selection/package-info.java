/**
 * Which implementation of the kernels a process runs, and why: the one place that knows them all. A new one (native functions by
 * instruction set, say) is offered in {@link dev.tandem.kernel.selection.KernelSelection}, the entry. Called once at start.
 */
package dev.tandem.kernel.selection;
