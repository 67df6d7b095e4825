package dev.tandem.api.server;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The threads on which a server tells its state. They are platform threads: virtual ones share a carrier per core, and native or long
 * work on these would keep a probe waiting until the node counts as dead. They end when they have had nothing to do for a while.
 */
final class StatusThreads implements AutoCloseable {
    private static final int THREADS = 2;
    private static final int MAX_WAITING = 256;
    private static final int IDLE_SECONDS = 30;

    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(
            THREADS,
            THREADS,
            IDLE_SECONDS,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(MAX_WAITING),
            Thread.ofPlatform().daemon().name("status-", 0).factory());

    StatusThreads() {
        threads.allowCoreThreadTimeOut(true);
    }

    /** Runs an answer soon; false when too many wait. */
    boolean offer(Runnable answer) {
        try {
            threads.execute(answer);
            return true;
        } catch (RejectedExecutionException tooMany) {
            return false;
        }
    }

    @Override
    public void close() {
        threads.shutdown();
    }
}
