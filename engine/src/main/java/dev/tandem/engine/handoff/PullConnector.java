package dev.tandem.engine.handoff;

/** To be written: reads a prompt's KV from a prefill node. */
public final class PullConnector {}
