package dev.tandem.transfer.tcp;

import dev.tandem.trust.ThreadEnd;
import java.io.IOException;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.time.Duration;
import java.util.Iterator;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One thread that waits for sockets, tasks and deadlines, and runs what is ready. Everything that it runs is owned by it; other threads
 * come in through {@link #execute}. It sleeps in the selector when there is nothing to do.
 */
public final class Poller implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Poller.class);
    private static final long NANOS_PER_MILLI = 1_000_000;
    private static final long MAX_SLEEP_MILLIS = 60_000;
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(10);

    /** What belongs to a channel. Called on the poller's thread only. */
    public interface ReadinessHandler {
        /** The channel is ready; exceptions end in {@link #failed}. */
        void ready(SelectionKey key) throws IOException;

        /** The channel can no longer be used: close it and tell whoever waits. */
        void failed(Exception cause);
    }

    /** The owner of everything that the poller runs. */
    public interface Owner {
        /** Looks at all deadlines; gives the time of the next one, or {@link Long#MAX_VALUE}. */
        long sweep(long nowNs);

        /** Last call on the poller's thread: close channels, complete whoever waits. The cause is null after a plain close. */
        void stopped(@Nullable Throwable cause);
    }

    private final Selector selector;
    private final Pace pace;
    private final Thread thread;
    // Set by start() before the thread begins.
    private @Nullable Owner owner;
    // Posted by any thread, drained by the poller; callers bound what they post.
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    // True from a wakeup until the poller has looked at the tasks: spares a system call per task.
    private final AtomicBoolean isWoken = new AtomicBoolean();
    // Written once each, by close() and by the poller at its end; read by any thread.
    private volatile boolean isClosing;
    private volatile boolean isStopped;
    private long nextSweepNs = Long.MAX_VALUE;

    /** Makes a poller that takes tasks already and runs them after {@link #start}. */
    public Poller(String name, Pace pace) throws IOException {
        this.pace = pace;
        this.selector = Selector.open();
        this.thread = Thread.ofPlatform().name(name).daemon().unstarted(this::run);
    }

    public void start(Owner ownerOfAll) {
        owner = ownerOfAll;
        thread.start();
    }

    /** Runs a task on the poller's thread soon; false if the poller has stopped and never will. Any thread. */
    public boolean execute(Runnable task) {
        tasks.add(task);
        if (isStopped && tasks.remove(task)) {
            return false;
        }
        if (isWoken.compareAndSet(false, true)) {
            selector.wakeup();
        }
        return true;
    }

    /** Watches a channel. Poller's thread only. */
    public SelectionKey watch(SelectableChannel channel, int operations, ReadinessHandler handler) throws IOException {
        channel.configureBlocking(false);
        return channel.register(selector, operations, handler);
    }

    /** Makes sure that deadlines are looked at by then. Poller's thread only. */
    public void sweepBy(long deadlineNs) {
        nextSweepNs = nextSweepNs == Long.MAX_VALUE || deadlineNs - nextSweepNs < 0 ? deadlineNs : nextSweepNs;
    }

    /** How fast bytes may leave all connections together. Poller's thread only. */
    public Pace pace() {
        return pace;
    }

    public boolean isPollerThread() {
        return thread.equals(Thread.currentThread());
    }

    public Thread thread() {
        return thread;
    }

    /** Whether the thread still runs; asked by health checks. */
    public boolean isRunning() {
        return !isStopped;
    }

    /** Stops the thread and waits for it for a while, unless it is the poller itself that calls. */
    @Override
    public void close() {
        close(CLOSE_LIMIT);
    }

    void close(Duration limit) {
        isClosing = true;
        selector.wakeup();
        if (isPollerThread() || owner == null) {
            return;
        }
        ThreadEnd.await(thread, limit);
    }

    private void run() {
        Owner all = Objects.requireNonNull(owner);
        Throwable cause = null;
        try {
            while (!isClosing) {
                turn(all);
            }
        } catch (Throwable t) {
            LOG.error("transfer poller died", t);
            cause = t;
        } finally {
            isStopped = true;
            stop(all, cause);
        }
    }

    private void stop(Owner all, @Nullable Throwable cause) {
        try {
            runTasks(); // what was posted while it still ran, so that the owner can complete it
        } finally {
            all.stopped(cause);
            closeSelector();
        }
    }

    private void turn(Owner all) throws IOException {
        selector.select(sleepMillis());
        isWoken.set(false);
        runTasks();
        Iterator<SelectionKey> ready = selector.selectedKeys().iterator();
        while (ready.hasNext()) {
            SelectionKey key = ready.next();
            ready.remove();
            dispatch(key);
        }
        if (nextSweepNs != Long.MAX_VALUE && System.nanoTime() - nextSweepNs >= 0) {
            nextSweepNs = Long.MAX_VALUE;
            long next = all.sweep(System.nanoTime());
            if (next != Long.MAX_VALUE) {
                sweepBy(next);
            }
        }
    }

    private static void dispatch(SelectionKey key) {
        ReadinessHandler handler = (ReadinessHandler) key.attachment();
        try {
            if (key.isValid()) {
                handler.ready(key);
            }
        } catch (IOException | CancelledKeyException e) {
            handler.failed(e);
        } catch (RuntimeException e) {
            LOG.error("transfer connection failed by a fault of ours", e);
            handler.failed(e);
        } catch (Error e) { // such as memory that one connection cannot get: no other's affair
            LOG.error("transfer connection failed by a fault of ours", e);
            handler.failed(new IOException("a fault of this side: " + e, e));
        }
    }

    private void runTasks() {
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            task.run();
        }
    }

    /** At least 1 when there is a deadline ahead: rounding down would spin through the last millisecond. */
    private long sleepMillis() {
        if (nextSweepNs == Long.MAX_VALUE) {
            return 0; // forever
        }
        long aheadNs = nextSweepNs - System.nanoTime();
        return Math.clamp((aheadNs + NANOS_PER_MILLI - 1) / NANOS_PER_MILLI, 1, MAX_SLEEP_MILLIS);
    }

    private void closeSelector() {
        try {
            selector.close();
        } catch (IOException e) {
            LOG.warn("selector did not close", e);
        }
    }
}
