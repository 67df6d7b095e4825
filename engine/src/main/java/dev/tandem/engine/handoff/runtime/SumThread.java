package dev.tandem.engine.handoff.runtime;

import java.time.Duration;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * One thread that sums KV memory, so that neither the engine loop nor a poller does: a long prompt has gigabytes. It ends when it has had
 * nothing to do for a while. Any thread may ask.
 */
public final class SumThread implements Sums {
    /** Sums that may wait; one more is refused. */
    private static final int MAX_WAITING = 4096;

    private static final Duration IDLE = Duration.ofSeconds(10);
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(60);

    private final ThreadPoolExecutor executor;

    public SumThread() {
        executor = new ThreadPoolExecutor(
                1,
                1,
                IDLE.toSeconds(),
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(MAX_WAITING),
                Thread.ofPlatform().name("kv-sums").daemon().factory());
        executor.allowCoreThreadTimeOut(true);
    }

    @Override
    public <T> boolean offer(Supplier<T> sums, Outcome<T> outcome) {
        try {
            executor.execute(() -> run(sums, outcome));
            return true;
        } catch (RejectedExecutionException e) {
            return false;
        }
    }

    private static <T> void run(Supplier<T> sums, Outcome<T> outcome) {
        T result;
        try {
            result = sums.get();
        } catch (RuntimeException | Error e) { // whoever waits must hear of either
            outcome.failed(e instanceof RuntimeException fault ? fault : new IllegalStateException("no sums: " + e, e));
            return;
        }
        outcome.summed(result);
    }

    @Override
    public void close() {
        executor.shutdownNow();
        long endNs = System.nanoTime() + CLOSE_LIMIT.toNanos();
        boolean isInterrupted = false;
        boolean isEnded = false;
        while (!isEnded && endNs - System.nanoTime() > 0) {
            try {
                isEnded = executor.awaitTermination(endNs - System.nanoTime(), TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        if (!isEnded) {
            throw new IllegalStateException("a sum of KV memory has not ended after " + CLOSE_LIMIT);
        }
    }
}
