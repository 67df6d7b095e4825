package dev.tandem.engine;

import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenStream;

/** One data-parallel rank as those see it who give it requests: in this process or in another one. Thread-safe. */
public interface Replica {
    /**
     * Queues a request.
     *
     * @throws dev.tandem.engine.request.EngineException OVERLOADED, UNAVAILABLE, INVALID or TOO_LONG; then nothing was queued
     */
    TokenStream submit(Request request);

    /** On a prefill node: the blocks lent for this request will not be fetched. Without such a lease nothing happens; returns at once. */
    void cancelLease(String requestId);

    /** A snapshot for health, load and metrics. */
    EngineStatus status();
}
