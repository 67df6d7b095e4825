package dev.tandem.engine.handoff;

/** To be written: leases on blocks. Owned by the engine loop. */
public final class HandoffLedger {}
