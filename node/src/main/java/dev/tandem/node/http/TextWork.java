package dev.tandem.node.http;

import dev.tandem.api.WorkLane;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.ClientGoneException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
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

    private static final int RETRY_AFTER_SECONDS = 2;

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
        return lane.run((int) characters, isGone, work);
    }

    private static final class Lane {
        private final String name;
        private final WorkLane threads;

        Lane(String name, int count) {
            this.name = name;
            threads = new WorkLane("text-" + name, count, ROOM);
        }

        <T> T run(int weight, BooleanSupplier isGone, Supplier<T> work) throws InterruptedException {
            Future<T> done = threads.offer(weight, () -> {
                        if (isGone.getAsBoolean()) {
                            throw new ClientGoneException("the client has gone before its text was read");
                        }
                        return work.get();
                    })
                    .orElseThrow(() -> ApiError.unavailable(
                            "more than " + ROOM + " characters of " + name + " texts wait to be read",
                            RETRY_AFTER_SECONDS));
            try {
                return done.get();
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
