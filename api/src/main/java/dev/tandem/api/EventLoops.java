package dev.tandem.api;

import io.netty.channel.Channel;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The threads that wait for the network, shared by the servers and clients of one process part. A connection belongs to one of them for
 * its whole life. Close it after what runs on it.
 */
public final class EventLoops implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(EventLoops.class);

    /** For whatever a start waits for: a process that starves gets there late, and never if it gives up. */
    private static final Duration START_LIMIT = Duration.ofMinutes(1);

    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(10);

    private final Vertx vertx;
    private final GatedServerChannel.Gated transport;
    private final List<Context> contexts;
    /** One thread per context, in the same order. */
    private final List<Thread> threads;

    /** Counts from any thread, to spread new work; it does not matter which loop gets what. */
    private final AtomicInteger turn = new AtomicInteger();

    /** Counts servers, from any thread: those that ask for any port must not be given one port together. */
    private final AtomicInteger servers = new AtomicInteger();

    private final LoopWatch watch;

    private EventLoops(
            Vertx vertx,
            GatedServerChannel.Gated transport,
            List<Context> contexts,
            List<Thread> threads,
            LoopWatch.Schedule watching) {
        this.vertx = vertx;
        this.transport = transport;
        this.contexts = List.copyOf(contexts);
        this.threads = List.copyOf(threads);
        this.watch = new LoopWatch(watching, contexts, threads);
    }

    /** Starts the given number of event loops. */
    public static EventLoops start(int count) {
        return start(count, LoopWatch.Schedule.STANDARD);
    }

    static EventLoops start(int count, LoopWatch.Schedule watching) {
        FileSystemOptions noFiles =
                new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false);
        VertxOptions options = new VertxOptions()
                .setEventLoopPoolSize(count)
                .setWorkerPoolSize(1)
                .setInternalBlockingPoolSize(2)
                .setFileSystemOptions(noFiles);
        var transport = new GatedServerChannel.Gated();
        Vertx vertx = Vertx.builder().with(options).withTransport(transport).build();
        List<Context> contexts = new CopyOnWriteArrayList<>();
        List<Thread> threads = new CopyOnWriteArrayList<>();
        for (int i = 0; i < count; i++) {
            await(vertx.deployVerticle(context -> {
                contexts.add(context);
                threads.add(Thread.currentThread());
                return Future.succeededFuture();
            }));
        }
        EventLoops loops = new EventLoops(vertx, transport, contexts, threads, watching);
        loops.watch.start();
        return loops;
    }

    /** A listener's connections are given to its server as soon as they have an event loop, on it, whether or not they will ever speak. */
    public void serve(InetSocketAddress listener, Consumer<Channel> server) {
        transport.serve(listener, server);
    }

    /**
     * Accepts no more connections there, before the server itself is closed: Vert.x ends a server's workers first and its socket last, and what
     * comes between is logged as a failure. Waits, so no event loop may call it.
     */
    public void endServing(InetSocketAddress listener) {
        transport.endServing(listener);
    }

    public Vertx vertx() {
        return vertx;
    }

    public List<Context> contexts() {
        return contexts;
    }

    public List<Thread> threads() {
        return threads;
    }

    public Context next() {
        return contexts.get(Math.floorMod(turn.getAndIncrement(), contexts.size()));
    }

    public int nextServerId() {
        return servers.incrementAndGet();
    }

    /** Waits on a thread that is not an event loop, as long as a start may take; the cause is thrown as it is when unchecked. */
    public static <T> T await(Future<T> future) {
        return await(future, START_LIMIT);
    }

    static <T> T await(Future<T> future, Duration limit) {
        try {
            return future.await(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new ApiException(
                    ApiException.Kind.TIMEOUT,
                    "the event loops did not react within " + limit.toMillis()
                            + " ms: the machine is overloaded, or one of them hangs",
                    e);
        }
    }

    /** Waits for something that closes on event loops; what does not close in time is logged, and whoever closes goes on. */
    public static void awaitClosed(String what, Future<?> closing, Duration grace) {
        Duration limit = grace.plus(CLOSE_LIMIT);
        try {
            closing.await(limit.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            LOG.error("{} did not close within {} ms", what, limit.toMillis());
        }
    }

    /** Which loop is dead or hangs, as last seen; empty while all run. Any thread; waits for nothing. */
    public Optional<String> trouble() {
        return watch.verdict();
    }

    @Override
    public void close() {
        watch.close();
        String names = threads.stream().map(Thread::getName).collect(Collectors.joining(", "));
        awaitClosed("event loops " + names, vertx.close(), Duration.ZERO);
    }
}
