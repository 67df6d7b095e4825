package dev.tandem.api.server;

/** Answers requests on the event loop: never blocks, for relays that must be cheap. Exceptions are treated as those of a {@link Handler}. */
@FunctionalInterface
public interface LoopHandler {
    /** Starts answering the exchange; the answer may come later, on the same event loop. */
    void handle(LoopExchange exchange);
}
