package dev.tandem.api.client;

import dev.tandem.api.ApiException;
import dev.tandem.api.EventLoops;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.access.FileWatch;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.api.access.TlsMaterial;
import io.netty.channel.ConnectTimeoutException;
import io.netty.handler.ssl.SslHandshakeTimeoutException;
import io.vertx.core.Context;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * An HTTP/1.1 client with a pool of kept connections per event loop. {@link #start(HttpCall)} and {@link #send} serve threads that may
 * block; {@link #startOnLoop} serves the event loops themselves and never leaves the calling one. Thread-safe.
 *
 * <p>Blocking calls resolve names each time (the JVM remembers them for a while); calls on the event loops use what was resolved last.
 */
public final class HttpClient implements HttpCalls, AutoCloseable {
    private final EventLoops loops;
    private final boolean ownsLoops;
    private final HttpClientConfig config;
    private final FileWatch watch;
    /** Written by whoever reads the files: the thread that makes this client, then the one that watches them. */
    private volatile TlsMaterial material = TlsMaterial.read(TlsFiles.NONE);

    private final Map<Thread, HttpLoopClient> byLoop = new ConcurrentHashMap<>();
    /** Shared by all loops; one entry per server. */
    private final Map<HttpAddress, InetSocketAddress> resolved = new ConcurrentHashMap<>();

    private HttpClient(EventLoops loops, boolean ownsLoops, HttpClientConfig config, TlsFiles tls) {
        this.loops = loops;
        this.ownsLoops = ownsLoops;
        this.config = config;
        this.watch = FileWatch.start(tls.named(), () -> read(tls));
        for (Thread thread : loops.threads()) {
            byLoop.put(thread, new HttpLoopClient(loops.vertx(), config, material));
        }
    }

    private void read(TlsFiles tls) {
        TlsMaterial read = TlsMaterial.read(tls);
        material = read;
        byLoop.values().forEach(client -> client.update(read));
    }

    /** A client with one event loop of its own. */
    public static HttpClient start(HttpClientConfig config) {
        return start(config, TlsFiles.NONE);
    }

    /**
     * A client with one event loop of its own.
     *
     * @param tls what it shows to servers that speak TLS, and whom of them it trusts; read anew when the files change
     * @throws ApiException UNUSABLE_FILE naming the file and what is wrong with it
     */
    public static HttpClient start(HttpClientConfig config, TlsFiles tls) {
        EventLoops loops = EventLoops.start(1);
        try {
            return new HttpClient(loops, true, config, tls);
        } catch (RuntimeException e) {
            loops.close();
            throw e;
        }
    }

    /** A client on event loops that it shares and does not close. */
    public static HttpClient on(EventLoops loops, HttpClientConfig config, TlsFiles tls) {
        return new HttpClient(loops, false, config, tls);
    }

    /** Starts a call from a thread that may block. */
    public ClientExchange start(HttpCall call) {
        Context context = loops.next();
        ClientExchange exchange = new ClientExchange(context, config);
        InetSocketAddress server = resolve(call.address());
        context.runOnContext(nothing -> exchange.begin(listener -> client().start(call, server, listener)));
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

    /** The name was resolved by an earlier {@link #resolve} or {@link #start(HttpCall)}, so that the event loop need not wait for it. */
    @Override
    public Upstream startOnLoop(HttpCall call, ReplyListener listener) {
        InetSocketAddress known = resolved.get(call.address());
        return client().start(call, known == null ? resolve(call.address()) : known, listener);
    }

    /** Whether a failure says that nothing was heard of the server's machine, and not that it refused, or spoke otherwise than it should. */
    public static boolean isSilence(ApiException failure) {
        if (failure.kind() != ApiException.Kind.CONNECT) {
            return failure.kind() == ApiException.Kind.TIMEOUT;
        }
        Throwable cause = failure.getCause();
        return cause instanceof ConnectTimeoutException
                || cause instanceof TimeoutException // of the pool, which waits for a connection as long
                || cause instanceof SslHandshakeTimeoutException
                || cause instanceof NoRouteToHostException;
    }

    /** Resolves a name anew; throws {@link ApiException} of the kind CONNECT where it is unknown. */
    public InetSocketAddress resolve(HttpAddress address) {
        try {
            InetSocketAddress fresh = new InetSocketAddress(InetAddress.getByName(address.host()), address.port());
            resolved.put(address, fresh);
            return fresh;
        } catch (UnknownHostException e) {
            throw new ApiException(ApiException.Kind.CONNECT, "unknown host " + address.host(), e);
        }
    }

    /** Lets calls under way end for as long as that, then closes. */
    public void close(Duration grace) {
        byLoop.values()
                .forEach(client -> EventLoops.awaitClosed(
                        "an HTTP client",
                        client.agent().shutdown(Math.max(1, grace.toMillis()), TimeUnit.MILLISECONDS),
                        grace));
        close();
    }

    @Override
    public void close() {
        watch.close();
        byLoop.values()
                .forEach(client ->
                        EventLoops.awaitClosed("an HTTP client", client.agent().close(), Duration.ZERO));
        if (ownsLoops) {
            loops.close();
        }
    }

    private HttpLoopClient client() {
        HttpLoopClient client = byLoop.get(Thread.currentThread());
        if (client == null) {
            throw new IllegalStateException("not on an event loop of this client: " + Thread.currentThread());
        }
        return client;
    }
}
