package dev.tandem.api.server;

import dev.tandem.api.openai.ApiError;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executor;

/**
 * One request and its answer, seen from the event loop that owns the connection; every method must be called there, except where said
 * otherwise. The body has arrived in full. Nothing here blocks: {@link #send} queues, {@link #isWritable} tells when to hold back. {@link
 * HttpServer} makes them of connections; a simulation, of messages under virtual time.
 */
public interface LoopExchange {
    /** The request's method, in capitals. */
    String method();

    /** The request's path without its query. */
    String path();

    /** The first value of a header, whatever the case of its name. */
    Optional<String> header(String name);

    /** The address that the request came from, as a literal; any thread. */
    String peerAddress();

    /** What counts as one host of that address, for fairness; any thread. */
    String peerHost();

    /** Who calls, for logs and fairness: the name of the key that the request carried, else its host; any thread. */
    String client();

    /** The request's body. */
    byte[] body();

    /** Whether the client has closed the connection before the answer was complete; any thread. */
    boolean isGone();

    /** Whether the answer is complete or has lost its reader. */
    boolean isOver();

    /** Sets the action for the client's disappearance before the answer is complete; run at once when that has happened already. */
    void onDisconnect(Runnable action);

    /** Sets a header of the answer. */
    void responseHeader(String name, String value);

    /** Sets a field behind the answer; without effect on an answer in one piece. */
    void responseTrailer(String name, String value);

    /** Answers in one piece. */
    void respond(int status, String contentType, byte[] bytes);

    /**
     * Counts bytes that are kept in memory for this exchange beside its body, until {@link #letGo} or its end; false when too many are held
     * for all clients together: {@link #memoryRefusal} says so. Any thread.
     */
    boolean hold(long bytes);

    /** Counts a refusal for want of memory; the error is to be the answer. */
    ApiError memoryRefusal();

    /** These bytes are not kept any more. */
    void letGo(long bytes);

    /** Starts an answer of unknown length and sends its head. */
    void start(int status, String contentType);

    /** Starts an answer of unknown length; the head leaves with the first bytes. */
    void begin(int status, String contentType);

    /** Queues bytes of a started answer. */
    void send(byte[] bytes);

    /** Whether little enough waits for the client that more may be queued. */
    boolean isWritable();

    /** Sets the action for the moment at which the client has caught up. */
    void onWritable(Runnable action);

    /** Completes a started answer. */
    void end();

    /** Breaks the connection off, for an answer that began and cannot be completed truthfully. */
    void abort();

    /**
     * Answers a failure: an {@link ApiError} as it is, anything else as a 500 with a correlation id that is also logged. In a stream of
     * events it becomes an error event and the end; in any other begun answer the connection is broken off.
     */
    void fail(Throwable failure);

    /** Completes a started answer with its last bytes. */
    void endWith(byte[] bytes);

    /** Runs an action on this event loop once it has handled what the network has delivered so far. Any thread may call this. */
    void soon(Runnable action);

    /** This event loop, for what may come long after the exchange: nothing of the exchange is kept for that. Any thread may use it. */
    Executor loop();

    /** Runs an action on this event loop after a delay. */
    void later(Duration delay, Runnable action);
}
