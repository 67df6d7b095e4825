package dev.tandem.gateway.relay;

import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executor;

/**
 * Where the answer of one exchange goes: to the client as it is, or into an answer that is put together from several exchanges. Owned by
 * the event loop of the client's connection; every method must be called there, {@link #soon} excepted. Exactly one of {@link #respond},
 * {@link #endEvents} and {@link #fail} ends it; what comes later has no effect.
 */
public interface Answer {
    /**
     * Counts bytes that are kept in memory for this answer, until its end.
     *
     * @return the refusal that is to be the answer, when too many are held for all clients together
     */
    Optional<ApiError> hold(long bytes);

    /** Sets a header of the answer; without effect once it has begun. */
    void header(String name, String value);

    /** Sets a field behind the answer, for what is known only when a stream ends; without effect on an answer in one piece. */
    void trailer(String name, String value);

    /** Answers in one piece. */
    void respond(int status, String contentType, byte[] body);

    /**
     * Goes on with whole server-sent events; the first ones begin the answer.
     *
     * @param from the call that they came by, which is held back while the client is slow
     */
    void events(byte[] events, Upstream from);

    /** Ends a complete stream of events. */
    void endEvents();

    /** Ends the answer with an error; in a stream that has begun it is the last event, so that nobody takes the stream for complete. */
    void fail(ApiError error);

    /** Sets the action for the moment at which nobody wants this answer any more before it has ended. */
    void onGone(Runnable action);

    /** Runs an action on the event loop that owns this answer. Any thread may call this. */
    void soon(Runnable action);

    /** The event loop that owns this answer, for what may come long after it: nothing of the answer is kept for that. Any thread may use it. */
    Executor loop();

    /** Runs an action on the event loop that owns this answer after a delay. */
    void later(Duration delay, Runnable action);
}
