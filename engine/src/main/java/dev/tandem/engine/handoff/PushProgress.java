package dev.tandem.engine.handoff;

/** How many leading tokens of a request's prompt lie in a rank's pool once the running step has passed a layer. */
public record PushProgress(String requestId, int storedTokens) {}
