package dev.tandem.api.server;

import dev.tandem.api.access.KeyGuard;
import dev.tandem.api.openai.ApiError;
import io.vertx.core.Context;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Takes requests from the event loops: finds the route, counts, collects the body within its bounds, and starts the handler. Shared by
 * all event loops of a server; only the counter is written by more than one.
 */
final class RequestIntake {
    private static final int RETRY_AFTER_SECONDS = 1;
    /** Requests for status (GET) that are still admitted when the bound is reached, so that an overloaded server is seen as alive. */
    private static final int STATUS_RESERVE = 64;

    private static final long REFUSED_BODY_MS = 2_000;
    private static final ApiError UNAUTHORIZED =
            new ApiError(401, "AuthenticationError", "the Authorization header has no known API key", null, -1);

    private final HttpServerConfig config;
    private final KeyGuard guard;
    private final StatusThreads status = new StatusThreads();
    /** By path, then by method; never changed after construction. */
    private final Map<String, Map<String, Route>> routes = new HashMap<>();
    /** Exchanges in flight: counted up by event loops, down by whoever ends one. */
    private final AtomicInteger active = new AtomicInteger();
    /** Callbacks in flight, counted separately in the same way. */
    private final AtomicInteger activeCallbacks = new AtomicInteger();
    /** Set once by the closing thread; event loops then refuse new requests. */
    private volatile boolean stopped;

    RequestIntake(HttpServerConfig config, KeyGuard guard, List<? extends Route> routes) {
        this.config = config;
        this.guard = guard;
        for (Route route : routes) {
            Route other = this.routes
                    .computeIfAbsent(route.path(), path -> new HashMap<>())
                    .put(route.method(), route);
            if (other != null) {
                throw new IllegalArgumentException("two handlers for " + route.method() + " " + route.path());
            }
        }
    }

    int active() {
        return active.get() + activeCallbacks.get();
    }

    void stop() {
        stopped = true;
    }

    /** Ends the threads for status, once no connection is left. */
    void close() {
        status.close();
    }

    /** Called on the event loop for the head of each request. */
    void accept(HttpServerRequest request, Context context) {
        Map<String, Route> byMethod = routes.getOrDefault(request.path(), Map.of());
        Route route = byMethod.get(request.method().name());
        Optional<String> client = client(request, route);
        if (client.isEmpty()) {
            request.response().putHeader("WWW-Authenticate", "Bearer");
            refuse(request, context, UNAUTHORIZED, false);
        } else if (route == null) {
            refuse(request, context, unknown(request, byMethod), false);
        } else if (stopped) {
            request.response().putHeader("Connection", "close");
            refuse(request, context, ApiError.unavailable("the server is stopping", RETRY_AFTER_SECONDS), false);
        } else if (declaredBytes(request) > config.maxBodyBytes()) {
            refuse(request, context, tooLarge(), false);
        } else {
            new Arrival(request, context, route, client.get()).begin();
        }
    }

    /**
     * Who calls: the name of the key, else the address. Empty where a key is asked for and none that is known has come. Servers that call back
     * are told apart by their route, not by clients' keys.
     */
    private Optional<String> client(HttpServerRequest request, @Nullable Route route) {
        boolean isCallback = route instanceof LoopRoute loop && loop.isCallback();
        if (isCallback || !guard.guards(request.method().name(), request.path())) {
            return Optional.of(request.remoteAddress().hostAddress());
        }
        return guard.admit(request.getHeader(HttpHeaders.AUTHORIZATION));
    }

    private static ApiError unknown(HttpServerRequest request, Map<String, Route> byMethod) {
        if (byMethod.isEmpty()) {
            return ApiError.notFound("no such path: " + request.path(), null);
        }
        String allowed = String.join(", ", new TreeSet<>(byMethod.keySet()));
        request.response().putHeader("Allow", allowed);
        return new ApiError(405, "MethodNotAllowedError", request.path() + " answers " + allowed + " only", null, -1);
    }

    private ApiError tooLarge() {
        return new ApiError(
                413, "RequestTooLargeError", "the request body exceeds " + config.maxBodyBytes() + " bytes", null, -1);
    }

    private static long declaredBytes(HttpServerRequest request) {
        String length = request.getHeader("Content-Length");
        if (length == null) {
            return 0;
        }
        try {
            return Long.parseLong(length);
        } catch (NumberFormatException e) {
            return Long.MAX_VALUE;
        }
    }

    /** Answers without the handler. What still comes of the body is dropped; the connection is given up if that takes long. */
    private void refuse(HttpServerRequest request, Context context, ApiError error, boolean bodyBroken) {
        boolean unread = bodyBroken || request.getHeader("Transfer-Encoding") != null || declaredBytes(request) > 0;
        if (unread && !request.isEnded()) {
            long timer = context.owner()
                    .setTimer(REFUSED_BODY_MS, id -> request.connection().close());
            request.handler(dropped -> {});
            request.endHandler(nothing -> context.owner().cancelTimer(timer));
            request.exceptionHandler(cause -> context.owner().cancelTimer(timer));
        }
        new LoopExchange(request, context, "", new byte[0], () -> {}).fail(error);
    }

    private void start(LoopExchange exchange, Route route) {
        switch (route) {
            case BlockingRoute blocking -> {
                Runnable answer = () -> serve(new Exchange(exchange, config.limits()), blocking.handler());
                if (!blocking.isStatus()) {
                    Thread.ofVirtual().name("exchange").start(answer);
                } else if (!status.offer(answer)) {
                    active.decrementAndGet();
                    exchange.fail(ApiError.unavailable("too many requests for status wait", RETRY_AFTER_SECONDS));
                }
            }
            case LoopRoute looping -> {
                try {
                    looping.handler().handle(exchange);
                } catch (RuntimeException e) {
                    exchange.fail(e);
                }
            }
        }
    }

    private void serve(Exchange exchange, Handler handler) {
        try {
            handler.handle(exchange);
            exchange.handlerReturned();
        } catch (ClientGoneException e) {
            exchange.handlerReturned();
        } catch (Throwable e) { // also an Error: the client gets its answer, the log the cause
            exchange.handlerFailed(e);
        } finally {
            active.decrementAndGet();
        }
    }

    /** A request whose body is arriving. Owned by the event loop of its connection. */
    private final class Arrival {
        private final HttpServerRequest request;
        private final Context context;
        private final Route route;
        private final String client;
        private final AtomicInteger counter;
        private @Nullable Buffer first;
        private @Nullable Buffer all;
        private int bodyBytes;
        private long timer = -1;
        private boolean settled;

        Arrival(HttpServerRequest request, Context context, Route route, String client) {
            this.request = request;
            this.context = context;
            this.route = route;
            this.client = client;
            this.counter = route instanceof LoopRoute loop && loop.isCallback() ? activeCallbacks : active;
        }

        void begin() {
            int bound =
                    config.maxConcurrentExchanges() + (request.method().name().equals("GET") ? STATUS_RESERVE : 0);
            if (counter.incrementAndGet() > bound) {
                counter.decrementAndGet();
                String message = "more than " + config.maxConcurrentExchanges() + " requests are in flight";
                refuse(request, context, ApiError.unavailable(message, RETRY_AFTER_SECONDS), false);
                return;
            }
            if ("100-continue".equalsIgnoreCase(request.getHeader("Expect"))) {
                request.response().writeContinue();
            }
            if (declaredBytes(request) > 0 || request.getHeader("Transfer-Encoding") != null) {
                timer = context.owner().setTimer(config.limits().bodyTimeout().toMillis(), id -> late());
            }
            request.handler(this::add);
            request.endHandler(nothing -> complete());
            request.exceptionHandler(cause -> drop());
        }

        private void add(Buffer part) {
            if (settled) {
                return;
            }
            bodyBytes += part.length();
            if (bodyBytes > config.maxBodyBytes()) {
                drop();
                refuse(request, context, tooLarge(), true);
                return;
            }
            if (first == null) {
                first = part;
            } else {
                Buffer buffer = all == null ? Buffer.buffer(2 * bodyBytes).appendBuffer(first) : all;
                all = buffer.appendBuffer(part);
            }
        }

        private void late() {
            if (!settled) {
                drop();
                String message = "the request body did not arrive within "
                        + config.limits().bodyTimeout().toSeconds() + " s";
                refuse(request, context, new ApiError(408, "RequestTimeoutError", message, null, -1), true);
            }
        }

        private void drop() {
            if (!settled) {
                settle();
                counter.decrementAndGet();
            }
        }

        private void settle() {
            settled = true;
            if (timer >= 0) {
                context.owner().cancelTimer(timer);
            }
        }

        private void complete() {
            if (settled) {
                return;
            }
            settle();
            Buffer body = all != null ? all : first;
            byte[] bytes = body == null ? new byte[0] : body.getBytes();
            Runnable whenOver = route instanceof LoopRoute ? counter::decrementAndGet : () -> {};
            start(new LoopExchange(request, context, client, bytes, whenOver), route);
        }
    }
}
