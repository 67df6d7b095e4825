/**
 * Runs batches on rank workers: one thread per rank, which alone touches that rank's model and KV pool. Entry: {@link
 * dev.tandem.engine.execute.ModelExecutor}, called by the engine loop, which waits for nothing else.
 */
package dev.tandem.engine.execute;
