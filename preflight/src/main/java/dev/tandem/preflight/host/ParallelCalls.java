package dev.tandem.preflight.host;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs calls side by side, a bounded number at a time. Stateless; the caller's thread waits, and an interrupt ends the calls too. */
public final class ParallelCalls {
    private ParallelCalls() {}

    /**
     * Runs all calls.
     *
     * @param threads name of the threads, to which each adds its number
     * @param atATime at least one
     * @return results in the order of the calls
     * @throws IllegalStateException when a call throws, with its exception as the cause: calls report failures by their results
     */
    public static <T> List<T> run(String threads, int atATime, List<? extends Callable<T>> calls)
            throws InterruptedException {
        var results = new ArrayList<T>();
        try (ExecutorService pool = Executors.newFixedThreadPool(
                atATime, Thread.ofPlatform().daemon().name(threads + "-", 0).factory())) {
            for (Future<T> future : pool.invokeAll(calls)) {
                results.add(future.get());
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException("a call of " + threads + " failed in our own code", e.getCause());
        }
        return results;
    }
}
