/**
 * What connectors run on: the transfer engine, the side channel and the addresses of one process, and the memory that one replica lends.
 * Entry: {@link dev.tandem.engine.handoff.runtime.HandoffRuntime}, thread-safe; started before the first connector and closed after the
 * last.
 */
package dev.tandem.engine.handoff.runtime;
