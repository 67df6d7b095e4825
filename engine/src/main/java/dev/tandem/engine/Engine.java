package dev.tandem.engine;

import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenStream;

/** Serves requests on the ranks of one data-parallel replica. Thread-safe; all state belongs to its engine loop. */
public final class Engine implements AutoCloseable {
    /** Loads nothing itself: takes an opened model and its KV memory, warms kernels up and starts the loop. Returns when healthy. */
    public static Engine start(EngineConfig config, EngineParts parts) {
        throw new IllegalStateException("contract only " + config + parts);
    }

    /**
     * Queues a request.
     *
     * @throws EngineException OVERLOADED, UNAVAILABLE, INVALID or TOO_LONG; then nothing was queued
     */
    public TokenStream submit(Request request) {
        throw new IllegalStateException("contract only " + request);
    }

    /** A snapshot for health, load and metrics. */
    public EngineStatus status() {
        throw new IllegalStateException("contract only");
    }

    /** Ends all requests with UNAVAILABLE and stops the loop. */
    @Override
    public void close() {}
}
