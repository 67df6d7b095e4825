package dev.tandem.api;

import io.vertx.core.Context;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * An HTTP/1.1 client with a pool of kept connections per event loop. {@link #start(HttpCall)} and {@link #send} serve threads that may
 * block; {@link #startOnLoop} serves the event loops themselves and never leaves the calling one. Thread-safe.
 *
 * <p>Names are resolved when an address is first used and again after a failed connection.
 */
public final class HttpClient implements AutoCloseable {
    private final EventLoops loops;
    private final boolean ownsLoops;
    private final HttpClientConfig config;
    private final Map<Context, HttpLoopClient> byLoop = new LinkedHashMap<>();
    /** Shared by all loops; one entry a server. */
    private final Map<HttpAddress, InetSocketAddress> resolved = new ConcurrentHashMap<>();

    private HttpClient(EventLoops loops, boolean ownsLoops, HttpClientConfig config) {
        this.loops = loops;
        this.ownsLoops = ownsLoops;
        this.config = config;
        for (Context context : loops.contexts()) {
            byLoop.put(context, new HttpLoopClient(loops.vertx(), config));
        }
    }

    /** A client with one event loop of its own. */
    public static HttpClient start(HttpClientConfig config) {
        return new HttpClient(EventLoops.start(1), true, config);
    }

    /** A client on event loops that it shares and does not close. */
    public static HttpClient on(EventLoops loops, HttpClientConfig config) {
        return new HttpClient(loops, false, config);
    }

    /** Starts a call from a thread that may block. */
    public ClientExchange start(HttpCall call) {
        Context context = loops.next();
        ClientExchange exchange = new ClientExchange(context, config);
        InetSocketAddress server = resolve(call.address());
        context.runOnContext(nothing ->
                exchange.begin(listener -> client(context).start(call, server, forgetting(call.address(), listener))));
        return exchange;
    }

    /**
     * Sends a call and waits for the complete answer; throws {@link ApiException}, of the kind TIMEOUT when the deadline passes. When the
     * calling thread is interrupted the call is cancelled.
     */
    public HttpReply send(HttpCall call, Duration deadline) {
        try (ClientExchange exchange = start(call)) {
            return exchange.reply(deadline);
        }
    }

    /** Starts a call on the event loop that calls this method; the listener is called there. Names must have been resolved before. */
    public Upstream startOnLoop(HttpCall call, ReplyListener listener) {
        Context context = Upstream.current();
        InetSocketAddress server = resolve(call.address());
        return client(context).start(call, server, forgetting(call.address(), listener));
    }

    /** Resolves a name so that {@link #startOnLoop} need not wait for it; throws {@link ApiException} where it is unknown. */
    public InetSocketAddress resolve(HttpAddress address) {
        InetSocketAddress known = resolved.get(address);
        if (known != null) {
            return known;
        }
        try {
            InetSocketAddress fresh = new InetSocketAddress(InetAddress.getByName(address.host()), address.port());
            resolved.put(address, fresh);
            return fresh;
        } catch (UnknownHostException e) {
            throw new ApiException(ApiException.Kind.CONNECT, "unknown host " + address.host(), e);
        }
    }

    @Override
    public void close() {
        byLoop.values().forEach(client -> EventLoops.await(client.agent().close()));
        if (ownsLoops) {
            loops.close();
        }
    }

    private HttpLoopClient client(Context context) {
        HttpLoopClient client = byLoop.get(context);
        if (client == null) {
            throw new IllegalStateException("called on an event loop that is not this client's");
        }
        return client;
    }

    /** After a failed connection the name may mean another machine by now. */
    private ReplyListener forgetting(HttpAddress address, ReplyListener listener) {
        return new ReplyListener() {
            @Override
            public void head(ReplyHead head) {
                listener.head(head);
            }

            @Override
            public void chunk(byte[] bytes) {
                listener.chunk(bytes);
            }

            @Override
            public void end() {
                listener.end();
            }

            @Override
            public void failed(ApiException failure) {
                if (failure.kind() == ApiException.Kind.CONNECT) {
                    resolved.remove(address);
                }
                listener.failed(failure);
            }
        };
    }
}
