/** Runs batches on rank workers. */
package dev.tandem.engine.execute;
