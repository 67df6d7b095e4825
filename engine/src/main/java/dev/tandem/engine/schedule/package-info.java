/**  pure bookkeeping, no threads. */
package dev.tandem.engine.schedule;
