/**
 * Makes quantised checkpoints out of float ones, tensor by tensor. Entry: {@link dev.tandem.quantize.Int8Quantizer}. Runs in a process of
 * its own, on one thread.
 */
package dev.tandem.quantize;
