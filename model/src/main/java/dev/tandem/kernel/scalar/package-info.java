/**
 * The specification of every kernel in plain loops, value by value: {@link dev.tandem.kernel.scalar.ScalarKernels} for the operations,
 * {@link dev.tandem.kernel.scalar.Lanes} for the order of a sum, {@link dev.tandem.kernel.scalar.StoredValues} for the stored formats,
 * {@link dev.tandem.kernel.scalar.Exp} for the exponential function. Other implementations end their loops with it and are tested against
 * it. What needs no other implementation stands in {@link dev.tandem.kernel.scalar.PlainOperations} and is called by layers directly.
 * Runs on rank workers and kernel threads.
 */
package dev.tandem.kernel.scalar;
