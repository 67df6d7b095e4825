package dev.tandem.api.server;

import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A request on a connection of {@link HttpServer}. Owned by the event loop of the connection. */
final class HttpLoopExchange implements LoopExchange {
    private static final Logger LOG = LoggerFactory.getLogger(HttpLoopExchange.class);
    private static final String EVENT_STREAM = "text/event-stream";
    /** A reply up to this size is not counted, so that there is always room for a refusal. */
    private static final int UNCOUNTED_BYTES = 4 << 10;

    private final HttpServerRequest request;
    private final HttpServerResponse response;
    private final Context context;
    private final String client;
    private final byte[] body;
    private final String peerAddress;
    private final ClientConnection connection;
    private final ByteAccount.Hold hold;
    private final ByteAccount.Hold replyHold;
    private final Runnable whenOver;
    private @Nullable Runnable disconnectHandler;
    private boolean started;
    private boolean over;
    /** The answer has been written, or never will be. */
    private boolean ended;
    /** Written by the event loop only; read by the virtual thread of the exchange, so that it stops writing. */
    private volatile boolean gone;

    /**
     * @param client who calls
     * @param hold what the account has for this request
     * @param whenOver run once when the answer has been written or has lost its reader
     */
    HttpLoopExchange(
            HttpServerRequest request,
            Context context,
            String client,
            byte[] body,
            ByteAccount.Hold hold,
            Runnable whenOver) {
        this.request = request;
        this.response = request.response();
        this.context = context;
        this.client = client;
        this.body = body;
        this.peerAddress = request.remoteAddress().hostAddress();
        this.connection = ClientConnection.of(request.connection());
        this.hold = hold;
        this.replyHold = hold.account().open();
        this.whenOver = whenOver;
        response.closeHandler(nothing -> clientGone());
        response.exceptionHandler(cause -> clientGone());
        connection.add(this);
    }

    @Override
    public String method() {
        return request.method().name();
    }

    @Override
    public String path() {
        return request.path();
    }

    @Override
    public Optional<String> header(String name) {
        return Optional.ofNullable(request.getHeader(name));
    }

    @Override
    public String peerAddress() {
        return peerAddress;
    }

    @Override
    public String peerHost() {
        return connection.host();
    }

    @Override
    public String client() {
        return client;
    }

    @Override
    public byte[] body() {
        return body;
    }

    @Override
    public boolean isGone() {
        return gone;
    }

    @Override
    public boolean isOver() {
        return over;
    }

    @Override
    public void onDisconnect(Runnable action) {
        if (gone) {
            action.run();
        } else {
            disconnectHandler = action;
        }
    }

    @Override
    public void responseHeader(String name, String value) {
        if (!started) {
            response.putHeader(name, value);
        }
    }

    @Override
    public void responseTrailer(String name, String value) {
        if (!over && response.isChunked()) {
            response.putTrailer(name, value);
        }
    }

    @Override
    public void respond(int status, String contentType, byte[] bytes) {
        if (over) {
            return;
        }
        requireNotStarted();
        if (bytes.length > UNCOUNTED_BYTES && !replyHold.take(bytes.length)) {
            fail(memoryRefusal());
            return;
        }
        started = true;
        response.setStatusCode(status);
        if (!contentType.isEmpty()) {
            response.putHeader(HttpHeaders.CONTENT_TYPE, contentType);
        }
        finish(response.end(Buffer.buffer(bytes)));
    }

    @Override
    public boolean hold(long bytes) {
        return hold.take(bytes);
    }

    @Override
    public ApiError memoryRefusal() {
        return hold.account().refusal();
    }

    @Override
    public void letGo(long bytes) {
        hold.giveBack(bytes);
    }

    /** The body, and what was made of it, is not needed any more; any thread. */
    void releaseBody() {
        hold.close();
    }

    /** What the account has for the reply, until it is written. */
    ByteAccount.Hold replyHold() {
        return replyHold;
    }

    @Override
    public void start(int status, String contentType) {
        begin(status, contentType);
        if (!over) {
            response.writeHead();
        }
    }

    @Override
    public void begin(int status, String contentType) {
        if (over) {
            return;
        }
        requireNotStarted();
        started = true;
        response.setStatusCode(status).setChunked(true).putHeader(HttpHeaders.CONTENT_TYPE, contentType);
    }

    /** Queues bytes of a started answer; the future completes when the socket has taken them. */
    Future<Void> write(byte[] bytes) {
        if (over) {
            return Future.failedFuture(new ClientGoneException("the exchange is over"));
        }
        return response.write(Buffer.buffer(bytes));
    }

    @Override
    public void send(byte[] bytes) {
        if (!over) {
            response.write(Buffer.buffer(bytes));
        }
    }

    @Override
    public boolean isWritable() {
        return !response.writeQueueFull();
    }

    @Override
    public void onWritable(Runnable action) {
        response.drainHandler(nothing -> action.run());
    }

    @Override
    public void end() {
        if (!over) {
            finish(response.end());
        }
    }

    @Override
    public void abort() {
        if (!over) {
            over = true;
            disconnectHandler = null;
            connection.cut(); // without what was queued: its client may never read it
            ended();
        }
    }

    @Override
    public void fail(Throwable failure) {
        ApiError error = failure instanceof ApiError known ? known : unexpected(failure);
        if (over) {
            return;
        }
        byte[] json = StrictJson.bytes(error.toJson());
        if (!started) {
            error.retryAfterSeconds().ifPresent(seconds -> responseHeader("Retry-After", Integer.toString(seconds)));
            respond(error.status(), "application/json", json);
        } else if (String.valueOf(response.headers().get(HttpHeaders.CONTENT_TYPE))
                .startsWith(EVENT_STREAM)) {
            send(("data: " + new String(json, StandardCharsets.UTF_8) + "\n\n").getBytes(StandardCharsets.UTF_8));
            end();
        } else {
            abort();
        }
    }

    @Override
    public void endWith(byte[] bytes) {
        if (!over) {
            finish(response.end(Buffer.buffer(bytes)));
        }
    }

    @Override
    public void soon(Runnable action) {
        context.runOnContext(nothing -> action.run());
    }

    @Override
    public Executor loop() {
        Context owner = context;
        return action -> owner.runOnContext(nothing -> action.run());
    }

    @Override
    public void later(Duration delay, Runnable action) {
        context.owner().setTimer(Math.max(1, delay.toMillis()), id -> action.run());
    }

    Context context() {
        return context;
    }

    private ApiError unexpected(Throwable failure) {
        String correlationId = UUID.randomUUID().toString();
        LOG.error(
                "request failed: method={} path={} client={} correlation={}",
                method(),
                path(),
                client,
                correlationId,
                failure);
        return ApiError.internal("internal error; the log has it under " + correlationId);
    }

    private void requireNotStarted() {
        if (started) {
            throw new IllegalStateException("the answer to " + method() + " " + path() + " has begun already");
        }
    }

    private void finish(Future<Void> written) {
        over = true;
        disconnectHandler = null;
        written.onComplete(done -> ended());
    }

    private void ended() {
        if (!ended) {
            ended = true;
            replyHold.close();
            whenOver.run();
            connection.exchangeEnds(this);
        }
    }

    /** The connection is gone: whatever waited to be written on it is not any more, also where nobody says so. */
    void connectionClosed() {
        clientGone();
        ended();
    }

    private void clientGone() {
        if (over) {
            return;
        }
        over = true;
        gone = true;
        ended();
        Runnable action = disconnectHandler;
        disconnectHandler = null;
        if (action != null) {
            action.run();
        }
    }
}
