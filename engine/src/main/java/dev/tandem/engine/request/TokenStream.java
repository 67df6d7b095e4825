package dev.tandem.engine.request;

import java.time.Duration;

/**
 * The tokens of one request, read by one virtual thread; the engine loop adds to it and never waits. Closing it before the end aborts
 * the request at once, in whatever state it is.
 */
public interface TokenStream extends AutoCloseable {
    /**
     * The next event; waits for it. After {@link #close} the tokens not yet read are gone and the next event is the end: {@link
     * TokenEvent.Finished} with reason ABORT (after {@link #stop}: STOP) and the counts so far (or the end that had already come).
     *
     * @throws dev.tandem.engine.request.EngineException TIMED_OUT when none comes in time
     */
    TokenEvent next(Duration timeout) throws InterruptedException;

    /**
     * Aborts the request unless its end was read; may be called from any thread, again and again. On a prefill node, closing before the
     * end was read also takes back the lease, since nobody has the ticket; later only {@link dev.tandem.engine.Engine#cancelLease} does.
     */
    @Override
    void close();

    /** Ends the generation because the reader has all it wants, such as a stop string; as {@link #close}, but not an abort. */
    void stop();
}
