package dev.tandem.api;

import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The threads that wait for the network, shared by the servers and clients of one process part. A connection belongs to one of them for
 * its whole life. Close it after what runs on it.
 */
public final class EventLoops implements AutoCloseable {
    private static final long CLOSE_TIMEOUT_SECONDS = 10;

    private final Vertx vertx;
    private final List<Context> contexts = new CopyOnWriteArrayList<>();
    /** One thread per context, in the same order. */
    private final List<Thread> threads = new CopyOnWriteArrayList<>();

    /** Counts from any thread, to spread new work; it does not matter which loop gets what. */
    private final AtomicInteger turn = new AtomicInteger();

    /** Counts servers, from any thread: those that ask for any port must not be given one port together. */
    private final AtomicInteger servers = new AtomicInteger();

    private EventLoops(Vertx vertx) {
        this.vertx = vertx;
    }

    /** Starts the given number of event loops. */
    public static EventLoops start(int count) {
        FileSystemOptions noFiles =
                new FileSystemOptions().setFileCachingEnabled(false).setClassPathResolvingEnabled(false);
        Vertx vertx = Vertx.vertx(new VertxOptions()
                .setEventLoopPoolSize(count)
                .setWorkerPoolSize(1)
                .setInternalBlockingPoolSize(2)
                .setFileSystemOptions(noFiles));
        EventLoops loops = new EventLoops(vertx);
        for (int i = 0; i < count; i++) {
            await(vertx.deployVerticle(context -> {
                loops.contexts.add(context);
                loops.threads.add(Thread.currentThread());
                return Future.succeededFuture();
            }));
        }
        return loops;
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

    /** Waits on a thread that is not an event loop; the cause is thrown as it is when unchecked. */
    public static <T> T await(Future<T> future) {
        try {
            return future.await(CLOSE_TIMEOUT_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new ApiException(ApiException.Kind.TIMEOUT, "the event loops did not react", e);
        }
    }

    @Override
    public void close() {
        await(vertx.close());
    }
}
