package dev.tandem.api;

import dev.tandem.trust.ThreadEnd;
import io.vertx.core.Context;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Gives each event loop something to run at every tick, and counts the ticks at which it has not run the last one: the library that owns the
 * loops tells nobody when one has died or hangs. Counting ticks, not time, leaves out what a stopped process sleeps through. One thread.
 */
final class LoopWatch implements AutoCloseable {
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(5);

    /**
     * @param tick between two looks
     * @param misses in a row that are a verdict
     */
    record Schedule(Duration tick, int misses) {
        /** Longer than any work that an event loop may be given takes on a busy machine. */
        static final Schedule STANDARD = new Schedule(Duration.ofSeconds(1), 10);
    }

    private static final class Loop {
        final Context context;
        final String name;
        final AtomicBoolean hasRun = new AtomicBoolean(true); // set by the loop, unset by the watch
        int misses; // the watch's

        Loop(Context context, String name) {
            this.context = context;
            this.name = name;
        }
    }

    private final Schedule schedule;
    private final List<Loop> loops = new ArrayList<>();
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Thread thread;
    private volatile Optional<String> verdict = Optional.empty(); // by the thread for everybody

    /** @param threads of the contexts, in the same order */
    LoopWatch(Schedule schedule, List<Context> contexts, List<Thread> threads) {
        this.schedule = schedule;
        for (int loop = 0; loop < contexts.size(); loop++) {
            loops.add(new Loop(contexts.get(loop), threads.get(loop).getName()));
        }
        this.thread = Thread.ofPlatform().name("event-loop-watch").daemon().unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /** Which loop does not run; empty while all do. Any thread; waits for nothing. */
    Optional<String> verdict() {
        return verdict;
    }

    @Override
    public void close() {
        closing.countDown();
        ThreadEnd.await(thread, CLOSE_LIMIT);
    }

    private void run() {
        try {
            while (!closing.await(schedule.tick().toNanos(), TimeUnit.NANOSECONDS)) {
                Optional<String> found = Optional.empty();
                for (Loop loop : loops) {
                    tick(loop);
                    if (loop.misses >= schedule.misses()) {
                        found = Optional.of("event loop " + loop.name + " does not run");
                    }
                }
                verdict = found;
            }
        } catch (InterruptedException nobodyDoesThis) {
            Thread.currentThread().interrupt();
        }
    }

    private static void tick(Loop loop) {
        if (!loop.hasRun.getAndSet(false)) {
            loop.misses++;
            return;
        }
        loop.misses = 0;
        try {
            loop.context.runOnContext(nothing -> loop.hasRun.set(true));
        } catch (RejectedExecutionException ended) {
            loop.misses++; // and at every tick from now on
        }
    }
}
