/**
 * Decides what runs in the next step: which sequences, how many of their tokens, who gets blocks and who loses them. Pure bookkeeping
 * without threads or clocks; time is an argument. Entry: {@link dev.tandem.engine.schedule.Scheduler}. Belongs to the engine loop.
 */
package dev.tandem.engine.schedule;
