package dev.tandem.api.server;

import dev.tandem.api.access.KeyGuard;
import dev.tandem.api.openai.ApiError;
import dev.tandem.counter.Counters;
import io.vertx.core.Context;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpServerRequest;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Takes requests from the event loops: finds the route, counts, collects the body within its bounds, and starts the handler. Shared by
 * all event loops of a server; only the counters and the account are written by more than one.
 */
final class RequestIntake {
    private static final int RETRY_AFTER_SECONDS = 1;
    /** Requests for status (GET) that are still admitted when the bound is reached, so that an overloaded server is seen as alive. */
    private static final int STATUS_RESERVE = 64;
    /** Of the last 1 of this of all exchanges none goes to an address that has more than half of all. */
    private static final int OTHERS_SHARE = 8;

    private static final long REFUSED_BODY_MS = 2_000;
    private static final ApiError UNAUTHORIZED =
            new ApiError(401, "AuthenticationError", "the Authorization header has no known API key", null, -1);

    private static final byte[] NO_BYTES = {};

    private final HttpServerConfig config;
    private final KeyGuard guard;
    private final StatusThreads status = new StatusThreads();
    private final Counters<HttpCounter> counters;
    private final ByteAccount account;
    private final int maxBodyBytes;
    /** By path, then by method; never changed after construction. */
    private final Map<String, Map<String, Route>> routes = new HashMap<>();
    /** Exchanges in flight: counted up by event loops, down by whoever ends one. */
    private final AtomicInteger active = new AtomicInteger();
    /** Callbacks in flight, counted separately in the same way. */
    private final AtomicInteger activeCallbacks = new AtomicInteger();
    /** Set once by the closing thread; event loops then refuse new requests. */
    private volatile boolean stopped;

    RequestIntake(
            HttpServerConfig config, KeyGuard guard, Counters<HttpCounter> counters, List<? extends Route> routes) {
        this.config = config;
        this.guard = guard;
        this.counters = counters;
        this.account = new ByteAccount(config.limits().heldBytes(), counters);
        this.maxBodyBytes = (int) Math.min(config.maxBodyBytes(), account.largest() / (1 + Arrival.WORKING_COPIES));
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

    ByteAccount account() {
        return account;
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
        ClientConnection connection = ClientConnection.of(request.connection());
        if (connection.isClosed()) {
            return; // one of several that came together, and nobody is left to answer
        }
        connection.exchangeBegins();
        boolean isStatus = request.method().name().equals("GET");
        Map<String, Route> byMethod = routes.getOrDefault(request.path(), Map.of());
        Route route = byMethod.get(request.method().name());
        Optional<ApiError> headFault = HeadCheck.refusal(request);
        if (headFault.isPresent()) {
            counters.increment(HttpCounter.HEADS_REFUSED);
            refuse(request, context, headFault.get(), true);
            return;
        }
        Optional<String> client = client(request, route);
        if (connection.isReserve() && !isStatus && !isCallback(route)) {
            counters.increment(HttpCounter.CONNECTIONS_REFUSED);
            refuse(request, context, tooManyConnections(), true);
        } else if (client.isEmpty()) {
            request.response().putHeader("WWW-Authenticate", "Bearer");
            refuse(request, context, UNAUTHORIZED, false);
        } else if (route == null) {
            refuse(request, context, unknown(request, byMethod), false);
        } else if (stopped) {
            request.response().putHeader("Connection", "close");
            refuse(request, context, ApiError.unavailable("the server is stopping", RETRY_AFTER_SECONDS), false);
        } else if (declaredBytes(request) > maxBodyBytes) {
            refuse(request, context, tooLarge(), false);
        } else if (!isStatus && takesTooMuch(connection)) {
            counters.increment(HttpCounter.CLIENT_SHARE_REFUSALS);
            String message = "this address has more than half of the " + config.maxConcurrentExchanges()
                    + " requests that may be in flight";
            refuse(request, context, ApiError.unavailable(message, RETRY_AFTER_SECONDS), false);
        } else {
            new Arrival(request, context, route, client.get()).begin(isStatus);
        }
    }

    private static boolean isCallback(@Nullable Route route) {
        return route instanceof LoopRoute loop && loop.isCallback();
    }

    /**
     * Who calls: the name of the key, else the address. Empty where a key is asked for and none that is known has come. Servers that call back
     * are told apart by their route, not by clients' keys.
     */
    private Optional<String> client(HttpServerRequest request, @Nullable Route route) {
        if (isCallback(route) || !guard.guards(request.method().name(), request.path())) {
            return Optional.of(ClientConnection.of(request.connection()).host());
        }
        return guard.admit(request.getHeader(HttpHeaders.AUTHORIZATION));
    }

    private ApiError tooManyConnections() {
        String message =
                "more than " + config.connections().maxConnections() + " connections are open (--max-connections)";
        return ApiError.unavailable(message, RETRY_AFTER_SECONDS);
    }

    /** Whether few places are left and this address has most of them. Each event loop sees its own part. */
    private boolean takesTooMuch(ClientConnection connection) {
        int most = config.maxConcurrentExchanges();
        return active.get() >= most - most / OTHERS_SHARE
                && active.get() < most
                && connection.exchangesOfHost() > most / config.eventLoops() / 2;
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
                413, "RequestTooLargeError", "the request body exceeds " + maxBodyBytes + " bytes", null, -1);
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

    private static boolean hasBody(HttpServerRequest request) {
        return request.getHeader("Transfer-Encoding") != null || declaredBytes(request) > 0;
    }

    /**
     * Answers without the handler. What still comes of the body is dropped; the connection is given up if that takes long.
     *
     * @param closing whether the connection ends with this answer: where the next request begins is not sure, or there is no room for it
     */
    private void refuse(HttpServerRequest request, Context context, ApiError error, boolean closing) {
        boolean unread = hasBody(request) && !request.isEnded();
        if (unread) {
            long timer = context.owner()
                    .setTimer(REFUSED_BODY_MS, id -> request.connection().close());
            request.handler(dropped -> {});
            request.endHandler(nothing -> {
                context.owner().cancelTimer(timer);
                ClientConnection.of(request.connection()).refusedBodyEnds();
                if (closing) {
                    request.connection().close();
                }
            });
            request.exceptionHandler(cause -> context.owner().cancelTimer(timer));
        }
        if (closing) {
            request.response().putHeader("Connection", "close");
        }
        Runnable whenWritten = closing && !unread ? () -> request.connection().close() : () -> {};
        new HttpLoopExchange(request, context, "", NO_BYTES, account.open(), whenWritten).fail(error);
    }

    private void start(HttpLoopExchange exchange, Route route) {
        switch (route) {
            case BlockingRoute blocking -> {
                Runnable answer = () -> serve(new Exchange(exchange, config.limits()), blocking.handler());
                if (!blocking.isStatus()) {
                    Thread.ofVirtual().name("exchange").start(answer);
                } else if (!status.offer(answer)) {
                    active.decrementAndGet();
                    exchange.releaseBody();
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
            exchange.releaseBody();
            active.decrementAndGet();
        }
    }

    /** A request whose body is arriving. Owned by the event loop of its connection. */
    private final class Arrival {
        /** A body that is worked on has so many copies beside itself: the bodies made of it, and theirs on the way out. */
        static final int WORKING_COPIES = 2;

        private static final int LEAST_GROWTH_BYTES = 16 << 10;

        private final HttpServerRequest request;
        private final Context context;
        private final Route route;
        private final String client;
        private final AtomicInteger counter;
        private final ByteAccount.Hold hold = account.open();
        private byte[] body = NO_BYTES;
        private int bodyBytes;
        private long timer = -1;
        private boolean settled;

        Arrival(HttpServerRequest request, Context context, Route route, String client) {
            this.request = request;
            this.context = context;
            this.route = route;
            this.client = client;
            this.counter = isCallback(route) ? activeCallbacks : active;
        }

        void begin(boolean isStatus) {
            int bound = config.maxConcurrentExchanges() + (isStatus ? STATUS_RESERVE : 0);
            if (counter.incrementAndGet() > bound) {
                counter.decrementAndGet();
                String message = "more than " + config.maxConcurrentExchanges() + " requests are in flight";
                refuse(request, context, ApiError.unavailable(message, RETRY_AFTER_SECONDS), false);
                return;
            }
            if (request.getHeader("Expect") != null) {
                request.response().writeContinue();
            }
            if (hasBody(request)) {
                timer = context.owner().setTimer(config.limits().bodyTimeout().toMillis(), id -> late());
            }
            request.handler(this::add);
            request.endHandler(nothing -> complete());
            request.exceptionHandler(cause -> gone());
            ClientConnection.of(request.connection()).onBodyFault(this::malformed);
        }

        private void add(Buffer part) {
            if (settled) {
                return;
            }
            int all = bodyBytes + part.length();
            if (all > maxBodyBytes) {
                giveUp(tooLarge(), false);
            } else if (all > body.length && !grow(all)) {
                giveUp(account.refusal(), false);
            } else {
                part.getBytes(body, bodyBytes);
                bodyBytes = all;
            }
        }

        /** Makes room for so many bytes; not for all that are declared, since a client that declares much may send nothing. */
        private boolean grow(int needed) {
            int roomy = (int) Math.min(mostBytes(), Math.max(2L * needed, LEAST_GROWTH_BYTES));
            int room = Math.max(needed, roomy);
            if (!hold.take(room)) {
                return false;
            }
            int before = body.length;
            body = Arrays.copyOf(body, room);
            hold.giveBack(before);
            return true;
        }

        private int mostBytes() {
            long declared = declaredBytes(request);
            return declared > 0 ? (int) declared : maxBodyBytes;
        }

        private void late() {
            if (!settled) {
                String message = "the request body did not arrive within "
                        + config.limits().bodyTimeout().toSeconds() + " s";
                giveUp(new ApiError(408, "RequestTimeoutError", message, null, -1), true);
            }
        }

        private void giveUp(ApiError error, boolean closing) {
            drop();
            refuse(request, context, error, closing);
        }

        private void gone() {
            if (!settled) {
                drop();
            }
        }

        /** Nobody knows where the body ends, so the answer is the last one. */
        private void malformed(Throwable cause) {
            if (!settled) {
                drop();
                counters.increment(HttpCounter.HEADS_REFUSED);
                request.response().putHeader("Connection", "close");
                ApiError error = ApiError.badRequest("the request body is not valid HTTP: " + cause.getMessage(), null);
                new HttpLoopExchange(
                                request,
                                context,
                                client,
                                NO_BYTES,
                                hold,
                                () -> request.connection().close())
                        .fail(error);
            }
        }

        private void drop() {
            settle();
            body = NO_BYTES;
            hold.close();
            counter.decrementAndGet();
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
            boolean isLoop = route instanceof LoopRoute; // others hold what they make of a body when they make it
            if (isLoop && !hold.take((long) WORKING_COPIES * bodyBytes)) {
                giveUp(account.refusal(), false);
                return;
            }
            settle();
            byte[] whole = bodyBytes == body.length ? body : Arrays.copyOf(body, bodyBytes);
            body = NO_BYTES;
            start(
                    new HttpLoopExchange(request, context, client, whole, hold, isLoop ? this::loopEnded : () -> {}),
                    route);
        }

        private void loopEnded() {
            hold.close();
            counter.decrementAndGet();
        }
    }
}
