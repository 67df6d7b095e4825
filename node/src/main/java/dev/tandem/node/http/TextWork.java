package dev.tandem.node.http;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.ClientGoneException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/**
 * The threads that turn text into tokens and back, read long bodies and render conversations: work of up to seconds, much of it in native
 * code, where a virtual thread would keep its carrier from all others. There are two lanes, so that a short text never waits behind a long
 * one. What waits and what is at work is weighed by its characters; beyond a lane's room a request gets a 503 at once. Any thread.
 */
final class TextWork {
    /** Characters of the longest text in the lane for short ones: some tens of milliseconds. */
    static final int SHORT_TEXT = 1 << 14;
    /** Characters that may wait or be at work in a lane: some twenty seconds of one thread. */
    static final int ROOM = 1 << 23;

    /** What a text weighs at least; also bounds how many wait. */
    private static final int LEAST_WEIGHT = 256;

    private static final int RETRY_AFTER_SECONDS = 2;
    private static final int IDLE_SECONDS = 30;

    private final Lane shortTexts;
    private final Lane longTexts;

    /** @param cores of this machine, a quarter of which each lane may use */
    TextWork(int cores) {
        shortTexts = new Lane("short", Math.clamp(cores / 4, 2, 8));
        longTexts = new Lane("long", Math.clamp(cores / 4, 1, 4));
    }

    /**
     * Does the work on a thread of the lane for so many characters, and waits for it.
     *
     * @param isGone whether the client has left: then work that has not begun is left out
     * @throws ApiError what the work throws; 400 when the request alone is more than a lane's room; 503 when the lane is full
     */
    <T> T run(long characters, BooleanSupplier isGone, Supplier<T> work) throws InterruptedException {
        if (characters > ROOM) {
            throw ApiError.badRequest(
                    "the texts of the request have " + characters + " characters, more than " + ROOM, null);
        }
        Lane lane = characters <= SHORT_TEXT ? shortTexts : longTexts;
        return lane.run((int) Math.max(characters, LEAST_WEIGHT), isGone, work);
    }

    private static final class Lane {
        private final String name;
        private final ThreadPoolExecutor threads;
        /** One permit per character: taken by threads of exchanges, given back by the lane's. */
        private final Semaphore room = new Semaphore(ROOM);

        /** Threads end when they have had nothing to do for a while. */
        Lane(String name, int count) {
            this.name = name;
            threads = new ThreadPoolExecutor(
                    count,
                    count,
                    IDLE_SECONDS,
                    TimeUnit.SECONDS,
                    new LinkedBlockingQueue<>(ROOM / LEAST_WEIGHT),
                    Thread.ofPlatform().daemon().name("text-" + name + "-", 0).factory());
            threads.allowCoreThreadTimeOut(true);
        }

        <T> T run(int weight, BooleanSupplier isGone, Supplier<T> work) throws InterruptedException {
            if (!room.tryAcquire(weight)) {
                throw ApiError.unavailable(
                        "more than " + ROOM + " characters of " + name + " texts wait to be read", RETRY_AFTER_SECONDS);
            }
            var task = new FutureTask<T>(() -> {
                try {
                    if (isGone.getAsBoolean()) {
                        throw new ClientGoneException("the client has gone before its text was read");
                    }
                    return work.get();
                } finally {
                    room.release(weight);
                }
            });
            threads.execute(task); // never refused: the room bounds how many wait
            try {
                return task.get();
            } catch (ExecutionException e) {
                switch (e.getCause()) {
                    case RuntimeException failure -> throw failure;
                    case Error failure -> throw failure;
                    case null, default -> throw new IllegalStateException(e.getCause());
                }
            }
        }
    }
}
