package dev.tandem.engine.request;

import java.time.Duration;

/**
 * The tokens of one request, read by one virtual thread; the engine loop adds to it and never waits. Closing it before the end aborts
 * the request at once, in whatever state it is.
 */
public interface TokenStream extends AutoCloseable {
    /**
     * The next event; waits for it.
     *
     * @throws dev.tandem.engine.EngineException TIMED_OUT when none comes in time
     */
    TokenEvent next(Duration timeout) throws InterruptedException;

    /** Aborts the request unless it has ended; may be called from any thread, again and again. */
    @Override
    void close();
}
