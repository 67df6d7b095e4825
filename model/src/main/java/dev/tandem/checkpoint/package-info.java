/**
 * Model files: named tensors and a configuration, memory-mapped, never copied. Files are untrusted input. Entry: {@link
 * dev.tandem.checkpoint.Checkpoint#open}. Read at start; tensors may be read from any thread.
 */
package dev.tandem.checkpoint;
