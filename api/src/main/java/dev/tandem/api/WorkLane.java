package dev.tandem.api;

import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Threads for work of up to seconds: on an event loop it would hold up all its clients, on a virtual thread its carrier. What waits and what
 * is at work is weighed, in characters or bytes. The threads end when they have had nothing to do for a while. Any thread.
 */
public final class WorkLane {
    /** What a piece of work weighs at least; also bounds how many wait. */
    public static final int LEAST_WEIGHT = 256;

    private static final int IDLE_SECONDS = 30;

    private final ThreadPoolExecutor threads;
    /** Taken by whoever offers, given back by the lane's threads. */
    private final Semaphore room;

    /**
     * @param name of its threads
     * @param room what may wait or be at work together
     */
    public WorkLane(String name, int threadCount, int room) {
        this.room = new Semaphore(room);
        threads = new ThreadPoolExecutor(
                threadCount,
                threadCount,
                IDLE_SECONDS,
                TimeUnit.SECONDS,
                new LinkedBlockingQueue<>(Math.max(1, room / LEAST_WEIGHT)),
                Thread.ofPlatform().daemon().name(name + "-", 0).factory());
        threads.allowCoreThreadTimeOut(true);
    }

    /** Has the work done; empty where there is no room for it. */
    public <T> Optional<Future<T>> offer(int weight, Callable<T> work) {
        int taken = Math.max(weight, LEAST_WEIGHT);
        if (!room.tryAcquire(taken)) {
            return Optional.empty();
        }
        var task = new FutureTask<T>(() -> {
            try {
                return work.call();
            } finally {
                room.release(taken);
            }
        });
        threads.execute(task); // never refused: the room bounds how many wait
        return Optional.of(task);
    }
}
