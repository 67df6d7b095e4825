package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.StrictJson;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.api.server.LoopHandler;
import dev.tandem.ops.simulate.SimulatedConnection;
import dev.tandem.ops.simulate.SimulatedHost;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;

/** A request that came over a simulated connection, and its answer. */
final class SimulatedExchange implements LoopExchange {
    private static final String EVENT_STREAM = "text/event-stream";

    private final Server server;
    private final SimulatedConnection connection;
    private final HttpCall request;
    private final Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private final Map<String, String> trailers = new LinkedHashMap<>();
    private @Nullable Runnable disconnectHandler;
    private @Nullable Runnable writableHandler;
    private int status;
    private long heldBytes;
    private int untakenBytes;
    private boolean wasFull;
    private boolean isStarted;
    private boolean isHeadSent;
    private boolean isOver;
    private boolean isGone;

    /**
     * A listening process.
     *
     * @param handler answers its requests
     * @param bytes what may be held for them
     * @param highWaterBytes what may wait for a client before it counts as slow
     */
    record Server(SimulatedHost host, LoopHandler handler, HeldBytes bytes, int highWaterBytes) {
        /** Takes connections from now on, in this life of the host. */
        void listen(int port) {
            host.network().listen(host, port, connection -> new Connection(this, connection));
        }
    }

    /** What is held for all clients together. */
    static final class HeldBytes {
        private final long most;
        private long held;

        HeldBytes(long most) {
            this.most = most;
        }

        long held() {
            return held;
        }
    }

    /** A connection of a client: one request after another. */
    private static final class Connection implements SimulatedConnection.Handler {
        private final Server server;
        private final SimulatedConnection connection;
        private @Nullable SimulatedExchange current;

        Connection(Server server, SimulatedConnection connection) {
            this.server = server;
            this.connection = connection;
        }

        @Override
        public void opened() {
            // the client speaks first
        }

        @Override
        public void received(Object message) {
            switch ((HttpMessage) message) {
                case HttpMessage.Request request -> {
                    var exchange = new SimulatedExchange(server, connection, request.call());
                    current = exchange;
                    exchange.begin();
                }
                case HttpMessage.Taken taken -> {
                    SimulatedExchange answering = current;
                    if (answering != null) {
                        answering.taken(taken.bytes());
                    }
                }
                case HttpMessage.Head odd -> throw new IllegalStateException("a head from a client: " + odd);
                case HttpMessage.Piece odd -> throw new IllegalStateException("a piece from a client: " + odd);
                case HttpMessage.End odd -> throw new IllegalStateException("an end from a client: " + odd);
            }
        }

        @Override
        public void closed(String reason) {
            SimulatedExchange answering = current;
            if (answering != null) {
                answering.clientGone();
            }
        }
    }

    private SimulatedExchange(Server server, SimulatedConnection connection, HttpCall request) {
        this.server = server;
        this.connection = connection;
        this.request = request;
    }

    private void begin() {
        try {
            server.handler().handle(this);
        } catch (RuntimeException e) {
            fail(e);
        }
    }

    @Override
    public String method() {
        return request.method();
    }

    @Override
    public String path() {
        return request.path();
    }

    @Override
    public Optional<String> header(String name) {
        return request.headers().entrySet().stream()
                .filter(header -> header.getKey().equalsIgnoreCase(name))
                .map(Map.Entry::getValue)
                .findFirst();
    }

    @Override
    public String peerAddress() {
        return connection.remoteAddress();
    }

    @Override
    public String peerHost() {
        return connection.remoteAddress();
    }

    @Override
    public String client() {
        return connection.remoteAddress();
    }

    @Override
    public byte[] body() {
        return request.body();
    }

    @Override
    public boolean isGone() {
        return isGone;
    }

    @Override
    public boolean isOver() {
        return isOver;
    }

    @Override
    public void onDisconnect(Runnable action) {
        if (isGone) {
            action.run();
        } else {
            disconnectHandler = action;
        }
    }

    @Override
    public void responseHeader(String name, String value) {
        if (!isStarted) {
            headers.put(name, value);
        }
    }

    @Override
    public void responseTrailer(String name, String value) {
        if (!isOver && isStarted) {
            trailers.put(name, value);
        }
    }

    @Override
    public void respond(int code, String contentType, byte[] bytes) {
        if (!isOver) {
            begin(code, contentType);
            endWith(bytes);
        }
    }

    @Override
    public boolean hold(long bytes) {
        if (isOver || server.bytes().held + bytes > server.bytes().most) {
            return false;
        }
        heldBytes += bytes;
        server.bytes().held += bytes;
        return true;
    }

    @Override
    public ApiError memoryRefusal() {
        return ApiError.unavailable("too many bytes are held for requests in flight", 1);
    }

    @Override
    public void letGo(long bytes) {
        if (!isOver) {
            heldBytes -= bytes;
            server.bytes().held -= bytes;
        }
    }

    @Override
    public void start(int code, String contentType) {
        begin(code, contentType);
        if (!isOver) {
            sendHead();
        }
    }

    @Override
    public void begin(int code, String contentType) {
        if (isOver) {
            return;
        }
        if (isStarted) {
            throw new IllegalStateException("the answer to " + path() + " has begun already");
        }
        isStarted = true;
        status = code;
        if (!contentType.isEmpty()) {
            headers.put("Content-Type", contentType);
        }
    }

    private void sendHead() {
        if (!isHeadSent) {
            isHeadSent = true;
            connection.send(new HttpMessage.Head(status, headers), 200);
        }
    }

    @Override
    public void send(byte[] bytes) {
        if (!isOver) {
            sendHead();
            untakenBytes += bytes.length;
            wasFull |= !isWritable();
            connection.send(new HttpMessage.Piece(bytes), bytes.length);
        }
    }

    private void taken(int bytes) {
        untakenBytes -= bytes;
        Runnable action = writableHandler;
        if (!isOver && wasFull && untakenBytes <= server.highWaterBytes() / 2 && action != null) {
            wasFull = false;
            action.run();
        }
    }

    @Override
    public boolean isWritable() {
        return untakenBytes < server.highWaterBytes();
    }

    @Override
    public void onWritable(Runnable action) {
        writableHandler = action;
    }

    @Override
    public void end() {
        endWith(new byte[0]);
    }

    @Override
    public void endWith(byte[] bytes) {
        if (isOver) {
            return;
        }
        sendHead();
        if (bytes.length > 0) {
            send(bytes);
        }
        connection.send(new HttpMessage.End(trailers), 5);
        over();
        if ("close".equals(headers.get("Connection"))) {
            connection.close("as announced");
        }
    }

    @Override
    public void abort() {
        if (!isOver) {
            over();
            connection.close("the answer is broken off");
        }
    }

    @Override
    public void fail(Throwable failure) {
        if (isOver) {
            return;
        }
        ApiError error = failure instanceof ApiError known ? known : ApiError.internal(failure.toString());
        byte[] json = StrictJson.bytes(error.toJson());
        if (!isStarted) {
            error.retryAfterSeconds().ifPresent(seconds -> responseHeader("Retry-After", Integer.toString(seconds)));
            respond(error.status(), "application/json", json);
        } else if (String.valueOf(headers.get("Content-Type")).startsWith(EVENT_STREAM)) {
            send(("data: " + new String(json, StandardCharsets.UTF_8) + "\n\n").getBytes(StandardCharsets.UTF_8));
            end();
        } else {
            abort();
        }
    }

    @Override
    public void soon(Runnable action) {
        server.host().after(0, "http soon", action);
    }

    @Override
    public Executor loop() {
        SimulatedHost owner = server.host();
        return action -> owner.after(0, "http soon", action);
    }

    @Override
    public void later(Duration delay, Runnable action) {
        server.host().after(Math.max(1_000_000, delay.toNanos()), "http later", action);
    }

    private void clientGone() {
        if (isOver) {
            return;
        }
        isGone = true;
        over();
        Runnable action = disconnectHandler;
        disconnectHandler = null;
        if (action != null) {
            action.run();
        }
    }

    private void over() {
        isOver = true;
        server.bytes().held -= heldBytes;
        heldBytes = 0;
    }
}
