package dev.tandem.api;

import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

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

    /** Has the work done; empty where there is no room for it. Work that is cancelled keeps its room until its turn. */
    public <T> Optional<Future<T>> offer(int weight, Callable<T> work) {
        int taken = Math.max(weight, LEAST_WEIGHT);
        if (!room.tryAcquire(taken)) {
            return Optional.empty();
        }
        var isHeld = new AtomicBoolean(true); // the room; the lane's thread gives it back, once
        Runnable giveBack = () -> {
            if (isHeld.compareAndSet(true, false)) {
                room.release(taken);
            }
        };
        var task = new FutureTask<T>(() -> {
            try {
                return work.call();
            } finally {
                giveBack.run(); // before the result is known
            }
        });
        // Never refused, since the room bounds how many wait.
        threads.execute(() -> {
            task.run(); // nothing where it was cancelled
            giveBack.run();
        });
        return Optional.of(task);
    }
}
