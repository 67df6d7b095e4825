package dev.tandem.api.server;

import dev.tandem.api.JsonText;
import dev.tandem.api.StrictJson;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One request and its answer, for the virtual thread that serves it. The methods hand over to the event loop of the connection and
 * return; only {@link EventStream#send} waits for a slow client. Owned by the thread of its handler.
 */
public final class Exchange {
    private final HttpLoopExchange loop;
    private final HttpLimits limits;
    private @Nullable EventStream events;
    private boolean answered;

    Exchange(HttpLoopExchange loop, HttpLimits limits) {
        this.loop = loop;
        this.limits = limits;
    }

    /** The request's method, in capitals. */
    public String method() {
        return loop.method();
    }

    /** The request's path without its query. */
    public String path() {
        return loop.path();
    }

    /** The first value of a header, whatever the case of its name. */
    public Optional<String> header(String name) {
        return loop.header(name);
    }

    /** The address that the request came from, as a literal: that of the last hop. */
    public String peerAddress() {
        return loop.peerAddress();
    }

    /** What counts as one host of that address, for fairness. */
    public String peerHost() {
        return loop.peerHost();
    }

    /** Who calls, for logs and fairness: the name of the key that the request carried, else its host. */
    public String client() {
        return loop.client();
    }

    /** The request's body; empty when there was none. */
    public byte[] body() {
        return loop.body();
    }

    /**
     * The body as a JSON object, read strictly; an {@link dev.tandem.api.openai.ApiError} with status 400 where it is not one, 503 where there
     * is no memory for its tree.
     */
    public ObjectNode json() {
        if (!loop.hold(JsonText.treeBytes(loop.body()))) {
            throw loop.memoryRefusal();
        }
        return StrictJson.object(loop.body());
    }

    /** Sets a header of the answer; to be called before it begins. */
    public Exchange responseHeader(String name, String value) {
        loop.context().runOnContext(nothing -> loop.responseHeader(name, value));
        return this;
    }

    /** Sets a field behind an answer that has begun and is not complete. */
    public void responseTrailer(String name, String value) {
        loop.context().runOnContext(nothing -> loop.responseTrailer(name, value));
    }

    /** Answers in one piece; throws {@link ClientGoneException} when nobody waits any more. */
    public void respond(int status, String contentType, byte[] body) {
        beginAnswer();
        loop.context().runOnContext(nothing -> loop.respond(status, contentType, body));
    }

    /** Answers with JSON. */
    public void respondJson(int status, JsonNode body) {
        respond(status, "application/json", StrictJson.bytes(body));
    }

    /** Answers with a status and no body. */
    public void respondEmpty(int status) {
        respond(status, "", new byte[0]);
    }

    /** Starts a stream of server-sent events; its head leaves at once. */
    public EventStream startEvents() {
        beginAnswer();
        EventStream stream = new EventStream(loop, limits);
        events = stream;
        loop.context().runOnContext(nothing -> {
            loop.responseHeader("Cache-Control", "no-cache");
            loop.start(200, "text/event-stream; charset=utf-8");
        });
        return stream;
    }

    /**
     * Sets the action for the moment at which the client goes away before the answer is complete: at once, also while nothing is being
     * written. It runs on the event loop and must not block; it runs immediately when the client has gone already.
     */
    public void onDisconnect(Runnable action) {
        loop.context().runOnContext(nothing -> loop.onDisconnect(action));
    }

    /** Whether the client has gone away. */
    public boolean isGone() {
        return loop.isGone();
    }

    /** Longest time that {@link EventStream#send} waits for a slow client. */
    public Duration slowClientTimeout() {
        return limits.slowClientTimeout();
    }

    /** Ends what the handler has left open: a stream is completed, no answer at all is our bug. */
    void handlerReturned() {
        EventStream stream = events;
        if (stream != null) {
            stream.close();
        } else if (!answered && !loop.isGone()) {
            handlerFailed(new IllegalStateException("no answer to " + method() + " " + path()));
        }
    }

    /** The handler has returned and needs the body no more. */
    void releaseBody() {
        loop.releaseBody();
    }

    /** Answers with what the handler threw. */
    void handlerFailed(Throwable failure) {
        loop.context().runOnContext(nothing -> loop.fail(failure));
    }

    private void beginAnswer() {
        if (loop.isGone()) {
            throw new ClientGoneException("the client of " + method() + " " + path() + " has gone");
        }
        if (answered) {
            throw new IllegalStateException("a second answer to " + method() + " " + path());
        }
        answered = true;
    }
}
