package dev.tandem.api.server;

import dev.tandem.api.ApiException;
import dev.tandem.api.EventLoops;
import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.KeyGuard;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.openai.ApiError;
import dev.tandem.counter.Counters;
import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.internal.ContextInternal;
import io.vertx.core.net.SocketAddress;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An HTTP/1.1 server on one address. Requests are read on event loops and handed to a virtual thread each, or for status to threads
 * that do no work ({@link BlockingRoute}), or are answered on the event loop itself ({@link LoopRoute}). What no handler sees is answered in
 * OpenAI's error shape: 400 for what is not HTTP, 404, 405, 408, 413, 415, 417, 501, and 503 beyond the configured number of exchanges,
 * connections and bytes. A client that closes its connection is noticed at once
 * while its request is being served; only a client that has already pipelined its next request is noticed when the answer is written.
 */
public final class HttpServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(HttpServer.class);
    static final int MAX_HEADER_BYTES = 32 << 10;
    /** Vert.x's names of what turns bytes into requests, and answers into bytes. */
    private static final String DECODER = "httpDecoder";

    static final String ENCODER = "httpEncoder";
    private static final int ACCEPT_BACKLOG = 1024;
    /** The system would choose megabytes on loopback, which hide readers that are behind. */
    private static final int SEND_BUFFER_BYTES = 128 << 10;

    private static final Duration DRAIN_POLL = Duration.ofMillis(10);
    private static final long SWEEP_MS = 500;

    private final EventLoops loops;
    private final boolean ownsLoops;
    private final HttpServerConfig config;
    private final RequestIntake intake;
    private final Counters<HttpCounter> counters;
    private final List<io.vertx.core.http.HttpServer> listeners = new ArrayList<>();
    private final KeyGuard guard;
    private final ListenerTls tls;
    private final List<Long> sweeps = new ArrayList<>();
    /** Filled before the server listens. */
    private final Map<EventLoop, ConnectionTable> tables = new HashMap<>();

    /** None before it listens. */
    private Optional<InetSocketAddress> address = Optional.empty();

    private HttpServer(
            EventLoops loops,
            boolean ownsLoops,
            HttpServerConfig config,
            ServerAccess access,
            Counters<HttpCounter> counters,
            List<? extends Route> routes) {
        this.loops = loops;
        this.ownsLoops = ownsLoops;
        this.config = config;
        this.counters = counters;
        this.tls = new ListenerTls(access.tls());
        this.guard = guard(access.keys(), tls);
        this.intake = new RequestIntake(config, guard, counters, routes);
        for (Context context : loops.contexts()) {
            tables.put(
                    ((ContextInternal) context).nettyEventLoop(),
                    new ConnectionTable(
                            config.connections(),
                            config.limits().slowClientTimeout().toNanos(),
                            loops.contexts().size(),
                            counters));
        }
    }

    private static KeyGuard guard(ApiKeyRules rules, ListenerTls tls) {
        try {
            return new KeyGuard(rules);
        } catch (RuntimeException e) {
            tls.close();
            throw e;
        }
    }

    /** Starts a server that everybody may call, in plain HTTP. */
    public static HttpServer start(HttpServerConfig config, List<? extends Route> routes) {
        return start(config, ServerAccess.OPEN, routes);
    }

    /** Starts a server whose counters nobody sees. */
    public static HttpServer start(HttpServerConfig config, ServerAccess access, List<? extends Route> routes) {
        return start(config, access, new Counters<>(HttpCounter.class), routes);
    }

    /**
     * Starts a server with event loops of its own.
     *
     * @throws ApiException naming host and port when it cannot listen, or the file of keys or certificates that cannot be used
     */
    public static HttpServer start(
            HttpServerConfig config,
            ServerAccess access,
            Counters<HttpCounter> counters,
            List<? extends Route> routes) {
        return startOwning(EventLoops.start(config.eventLoops()), config, access, counters, routes);
    }

    /** Starts a server on event loops that were made for it and that it closes; also when it cannot start. */
    public static HttpServer startOwning(
            EventLoops loops,
            HttpServerConfig config,
            ServerAccess access,
            Counters<HttpCounter> counters,
            List<? extends Route> routes) {
        try {
            HttpServer server = new HttpServer(loops, true, config, access, counters, routes);
            server.listen();
            return server;
        } catch (RuntimeException e) {
            loops.close();
            throw e;
        }
    }

    /** The same on event loops that it shares and does not close. */
    public static HttpServer start(
            EventLoops loops,
            HttpServerConfig config,
            ServerAccess access,
            Counters<HttpCounter> counters,
            List<? extends Route> routes) {
        HttpServer server = new HttpServer(loops, false, config, access, counters, routes);
        server.listen();
        return server;
    }

    /** Who has called, by key: see {@link KeyGuard#show}. */
    public KeyGuard guard() {
        return guard;
    }

    /** The port that the server listens on. */
    public int port() {
        return address.map(InetSocketAddress::getPort).orElse(0);
    }

    /** Requests in flight now. */
    public int activeExchanges() {
        return intake.active();
    }

    /** Refuses new requests with a 503 and waits for those in flight, no longer than that; the server is still to be closed. */
    public void drain(Duration patience) {
        intake.stop();
        long endNs = System.nanoTime() + patience.toNanos();
        try {
            while (intake.active() > 0 && System.nanoTime() - endNs < 0) {
                Thread.sleep(DRAIN_POLL);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Bytes that are held for clients now. */
    public long heldBytes() {
        return intake.account().held();
    }

    /** Stops listening, lets exchanges in flight end within the configured time, then closes all connections. */
    @Override
    public void close() {
        intake.stop();
        address.ifPresent(loops::endServing);
        guard.close();
        tls.close();
        sweeps.forEach(loops.vertx()::cancelTimer);
        long timeoutMs = config.limits().closeTimeout().toMillis();
        List<Future<Void>> closing = new ArrayList<>();
        for (io.vertx.core.http.HttpServer listener : listeners) {
            closing.add(listener.shutdown(timeoutMs, TimeUnit.MILLISECONDS));
        }
        try {
            Future.join(closing).await(timeoutMs + 1_000, TimeUnit.MILLISECONDS);
        } catch (java.util.concurrent.TimeoutException e) {
            LOG.warn("server did not close in time: host={} port={} timeoutMs={}", config.host(), port(), timeoutMs);
        }
        intake.close();
        if (ownsLoops) {
            loops.close();
        }
    }

    private void listen() {
        try {
            listenOnAll();
            tls.listening(listeners);
        } catch (RuntimeException e) {
            guard.close();
            tls.close();
            throw e;
        }
    }

    private void listenOnAll() {
        InetAddress resolved = resolve();
        SocketAddress wanted = config.port() == 0
                ? SocketAddress.sharedRandomPort(loops.nextServerId(), resolved.getHostAddress())
                : SocketAddress.inetSocketAddress(new InetSocketAddress(resolved, config.port()));
        for (Context context : loops.contexts()) {
            listeners.add(listenOn(context, wanted));
        }
        var bound = new InetSocketAddress(resolved, listeners.getFirst().actualPort());
        address = Optional.of(bound);
        loops.serve(bound, this::open);
    }

    private InetAddress resolve() {
        try {
            return InetAddress.getByName(config.host());
        } catch (UnknownHostException e) {
            throw ApiException.cannotListen(config.host(), config.port(), e);
        }
    }

    private io.vertx.core.http.HttpServer listenOn(Context context, SocketAddress address) {
        Promise<io.vertx.core.http.HttpServer> listening = Promise.promise();
        HttpServerOptions options = tls.secure(options());
        ConnectionTable table = table(((ContextInternal) context).nettyEventLoop());
        context.runOnContext(nothing -> loops.vertx()
                .createHttpServer(options)
                .requestHandler(request -> intake.accept(request, context))
                .invalidRequestHandler(this::refuseGarbage)
                .connectionHandler(connection -> watch(connection, options))
                .exceptionHandler(cause -> LOG.debug("connection failed: {}", cause.toString()))
                .listen(address)
                .onComplete(listening));
        Promise<Long> sweeping = Promise.promise();
        context.runOnContext(nothing ->
                sweeping.complete(loops.vertx().setPeriodic(SWEEP_MS, id -> table.sweep(System.nanoTime()))));
        sweeps.add(EventLoops.await(sweeping.future()));
        try {
            return EventLoops.await(listening.future());
        } catch (Throwable e) {
            throw ApiException.cannotListen(config.host(), config.port(), e);
        }
    }

    private void watch(HttpConnection connection, HttpServerOptions options) {
        connection.exceptionHandler(cause -> LOG.debug("client's connection failed: {}", cause.toString()));
        Channel channel = ClientConnection.channelOf(connection);
        open(channel).ifPresent(opened -> {
            opened.waitsForRequest();
            channel.pipeline().replace(DECODER, DECODER, new StrictHttpDecoder(options, opened));
        });
    }

    /** Counts a connection, on its event loop; one behind certificates before its handshake, any other one with its handlers. */
    private Optional<ClientConnection> open(Channel channel) {
        Optional<ClientConnection> known = ClientConnection.at(channel);
        return known.isPresent() || !channel.isOpen()
                ? known
                : table(channel.eventLoop()).open(channel);
    }

    private ConnectionTable table(EventLoop loop) {
        return Objects.requireNonNull(tables.get(loop));
    }

    private static HttpServerOptions options() {
        return new HttpServerOptions()
                .setTcpNoDelay(true)
                .setSendBufferSize(SEND_BUFFER_BYTES)
                .setReuseAddress(true)
                .setReusePort(false)
                .setAcceptBacklog(ACCEPT_BACKLOG)
                .setMaxInitialLineLength(8 << 10)
                .setMaxHeaderSize(MAX_HEADER_BYTES)
                .setHttp2ClearTextEnabled(false)
                .setHandle100ContinueAutomatically(false);
    }

    private void refuseGarbage(HttpServerRequest request) {
        counters.increment(HttpCounter.HEADS_REFUSED);
        Throwable cause = request.decoderResult().cause();
        ApiError error = ApiError.badRequest("the request is not valid HTTP: " + describe(cause), null);
        request.response()
                .setStatusCode(error.status())
                .putHeader("Content-Type", "application/json")
                .putHeader("Connection", "close")
                .end(error.toJson().toString())
                .onComplete(done -> request.connection().close());
    }

    private static String describe(@Nullable Throwable cause) {
        return cause == null ? "unreadable" : String.valueOf(cause.getMessage());
    }
}
