package dev.tandem.api.client;

import dev.tandem.api.ApiException;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientAgent;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.RequestOptions;
import java.io.IOException;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A request on a connection of {@link HttpClient}'s pool. Owned by the event loop that started it.
 *
 * <p>A pooled connection may have been closed by the server just when the request was written to it. Such a failure (a connection that
 * had served before ends without a byte of an answer, within {@value #STALE_WINDOW_MS} ms) is repaired by sending the request once more,
 * at most {@value #MAX_RESENDS} times. The server may then, rarely, have seen the request twice: a failure that follows is never
 * reported as {@link ApiException.Kind#CONNECT}, and a 4xx, which may say only that the first is still being served, as CLOSED.
 */
final class PooledUpstream implements Upstream {
    private static final Logger LOG = LoggerFactory.getLogger(PooledUpstream.class);
    private static final int MAX_RESENDS = 2;
    private static final long STALE_WINDOW_MS = 250;
    private static final long NO_TIMER = -1;

    private final HttpClientAgent agent;
    private final RequestOptions options;
    private final HttpCall call;
    private final Set<HttpConnection> used;
    private final Vertx vertx;
    private final long firstByteMs;
    private final long silenceMs;
    private final ReplyListener listener;
    private @Nullable HttpClientRequest request;
    private @Nullable HttpClientResponse response;
    private boolean onUsedConnection;
    private boolean everSent;
    private boolean over;
    private boolean paused;
    private boolean isAnswering;
    private int resends;
    private long sentNs;
    private long heardNs;
    private long silenceTimer = NO_TIMER;

    PooledUpstream(HttpLoopClient client, RequestOptions options, HttpCall call, ReplyListener listener) {
        this.agent = client.agent();
        this.used = client.usedConnections();
        this.vertx = client.vertx();
        this.firstByteMs = client.config().firstByteTimeout().toMillis();
        this.silenceMs = client.config().silenceTimeout().toMillis();
        this.options = options;
        this.call = call;
        this.listener = listener;
    }

    @Override
    public void cancel() {
        if (over) {
            return;
        }
        finish();
        HttpClientRequest current = request;
        if (current != null) {
            current.reset();
        }
    }

    private void finish() {
        over = true;
        vertx.cancelTimer(silenceTimer);
    }

    @Override
    public void pause() {
        paused = true;
        HttpClientResponse current = response;
        if (current != null && !over) {
            current.pause();
        }
    }

    @Override
    public void resume() {
        paused = false;
        heardNs = System.nanoTime();
        HttpClientResponse current = response;
        if (current != null && !over) {
            current.resume();
        }
    }

    @Override
    public boolean isOver() {
        return over;
    }

    @Override
    public Optional<String> trailer(String name) {
        HttpClientResponse current = response;
        return current == null ? Optional.empty() : Optional.ofNullable(current.getTrailer(name));
    }

    void begin() {
        Future<HttpClientRequest> connecting;
        try {
            connecting = agent.request(options);
        } catch (IllegalStateException e) { // the client has been closed
            connecting = Future.failedFuture(e);
        }
        connecting.onComplete(done -> {
            if (done.succeeded()) {
                connected(done.result());
            } else {
                notConnected(done.cause());
            }
        });
    }

    private void notConnected(Throwable cause) {
        ApiException.Kind kind = everSent ? ApiException.Kind.CLOSED : ApiException.Kind.CONNECT;
        fail(kind, "cannot connect to " + call.address() + ": " + reason(cause), cause);
    }

    /** A failure of TLS says at its root what is wrong with a certificate. */
    private static String reason(Throwable cause) {
        if (!(cause instanceof SSLException)) {
            return String.valueOf(cause.getMessage()).replaceFirst(": \\S*:\\d+$", ""); // the address once is enough
        }
        Throwable root = cause;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return "no TLS with it, " + root;
    }

    private void connected(HttpClientRequest ready) {
        if (over) {
            ready.exceptionHandler(cause -> LOG.debug("called off: {}", cause.toString())); // else Vert.x logs an error
            ready.reset();
            return;
        }
        request = ready;
        HttpConnection connection = ready.connection();
        onUsedConnection = !used.add(connection);
        call.headers().forEach(ready::putHeader);
        int attempt = resends;
        ready.exceptionHandler(cause -> broken(attempt, cause));
        everSent = true;
        sentNs = System.nanoTime();
        heardNs = sentNs;
        if (silenceTimer == NO_TIMER) {
            watchSilence(firstByteMs);
        }
        ready.response().onComplete(done -> {
            if (done.succeeded()) {
                answered(done.result());
            } else {
                broken(attempt, done.cause());
            }
        });
        if (call.body().length == 0) {
            ready.end();
        } else {
            ready.end(Buffer.buffer(call.body()));
        }
    }

    private void answered(HttpClientResponse reply) {
        reply.exceptionHandler(cause -> fail(kindOf(cause), describe(cause), cause));
        if (over) {
            return;
        }
        if (resends > 0 && reply.statusCode() / 100 == 4) {
            String message = call.address() + " closed the connection, and refused the same request with status "
                    + reply.statusCode() + ": it may have it twice";
            fail(ApiException.Kind.CLOSED, message, new IOException(message));
            return;
        }
        response = reply;
        String type = reply.getHeader(HttpHeaders.CONTENT_TYPE);
        if (type == null || !type.startsWith("text/event-stream")) {
            begun(); // the head of a stream of events says nothing: many servers send it at once
        }
        reply.handler(bytes -> {
            if (!over) {
                begun();
                listener.chunk(bytes.getBytes());
            }
        });
        reply.endHandler(nothing -> {
            if (!over) {
                finish();
                listener.end();
            }
        });
        if (paused) {
            reply.pause();
        }
        listener.head(new ReplyHead(reply.statusCode(), reply.headers()));
    }

    /** A part of the answer is here; from now on silence is measured inside it. */
    private void begun() {
        heardNs = System.nanoTime();
        if (!isAnswering) {
            isAnswering = true;
            vertx.cancelTimer(silenceTimer);
            watchSilence(silenceMs);
        }
    }

    /** Looks again at the end of the allowed silence, by a clock that does not jump. */
    private void watchSilence(long leftMs) {
        silenceTimer = vertx.setTimer(Math.max(1, leftMs), id -> {
            long allowedMs = isAnswering ? silenceMs : firstByteMs;
            long nowLeftMs = allowedMs - TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - heardNs);
            if (over) {
                return;
            }
            if (nowLeftMs > 0) {
                watchSilence(nowLeftMs);
            } else {
                fail(ApiException.Kind.TIMEOUT, silence(allowedMs), new TimeoutException());
            }
        });
    }

    private String silence(long allowedMs) {
        return paused
                ? "nobody took what " + call.address() + " sends for " + allowedMs + " ms"
                : call.address() + " sent nothing for " + allowedMs + " ms";
    }

    /** The attempt with this number has failed before its answer began; an attempt's failure may be told twice. */
    private void broken(int attempt, Throwable cause) {
        if (over || attempt != resends || response != null) {
            return;
        }
        boolean early = System.nanoTime() - sentNs < TimeUnit.MILLISECONDS.toNanos(STALE_WINDOW_MS);
        if (onUsedConnection && early && resends < MAX_RESENDS && kindOf(cause) == ApiException.Kind.CLOSED) {
            resends++;
            request = null;
            begin();
        } else {
            fail(kindOf(cause), describe(cause), cause);
        }
    }

    private void fail(ApiException.Kind kind, String message, Throwable cause) {
        if (over) {
            return;
        }
        finish();
        HttpClientRequest current = request;
        if (current != null) {
            current.reset();
        }
        listener.failed(new ApiException(kind, message, cause));
    }

    private String describe(Throwable cause) {
        return switch (kindOf(cause)) {
            case TIMEOUT -> call.address() + " did not answer in time: " + cause.getMessage();
            case PROTOCOL -> call.address() + " sent something that is not an HTTP answer: " + cause.getMessage();
            default -> call.address() + " closed the connection: " + cause.getMessage();
        };
    }

    private static ApiException.Kind kindOf(Throwable cause) {
        if (cause instanceof TimeoutException) {
            return ApiException.Kind.TIMEOUT;
        }
        if (cause instanceof IOException || cause instanceof io.vertx.core.VertxException) {
            return ApiException.Kind.CLOSED;
        }
        return ApiException.Kind.PROTOCOL;
    }
}
