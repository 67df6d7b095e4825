package dev.tandem.kernel;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The kernel threads of one rank: a fixed pool that runs one loop at a time, cut into slices. The calling rank worker takes part. One
 * owner: only its rank worker calls {@link #run}. Threads spin briefly, then park; with more threads than cores they park at once. A
 * slice belongs to whichever thread claims it first, so a thread that the system does not run at the moment holds up nobody.
 *
 * <p>What runs on it, and in which memory, is the affair of the {@link Kernels} that were made with it.
 */
public final class KernelThreads implements AutoCloseable {
    /** One loop; called once per slice, from different threads. Must not allocate. */
    public interface Slice {
        void run(int slice, int slices);
    }

    /** Turns of the spin loop before a thread parks: some tens of microseconds, the gap between two loops of a decode step. */
    private static final int SPINS = 4096;

    private static final int EPOCH_SHIFT = 32;
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(10);
    private static final Logger LOG = LoggerFactory.getLogger(KernelThreads.class);

    private final int count;
    private final int spins;
    private final Worker[] workers;

    /** Written by the owner before {@link #claims} moves on to the next loop; read by threads before they claim a slice of it. */
    private @Nullable Slice current;

    /**
     * Number of the loop in the high half, its next unclaimed slice in the low half. One atomic, so that a thread that wakes late cannot
     * claim a slice of a loop it has not seen.
     */
    private final AtomicLong claims;

    /** Slices of the current loop that have not ended; the last one wakes the owner. */
    private final AtomicInteger unfinished = new AtomicInteger();

    /** First exception of the current loop, from any thread. */
    private final AtomicReference<Throwable> failure = new AtomicReference<>();

    /** The owner while it is parked and wants to be woken; volatile because the last worker looks at it. */
    private volatile @Nullable Thread parkedOwner;

    /** Written once by whoever closes; volatile because spinning and parked workers look at it. */
    private volatile boolean closed;

    private boolean running;

    /** Written by the owner before a loop; run by it and by the threads of the loop. */
    private Runnable check = () -> {};

    /** @param count threads that work on a loop, the caller included; at least 1 */
    public KernelThreads(int count) {
        this(count, Runtime.getRuntime().availableProcessors());
    }

    /**
     * @param count threads that work on a loop, the caller included; at least 1
     * @param cores cores that this rank may count on, its share where a process has several ranks; with more threads than that, waiting
     *     threads park at once
     */
    public KernelThreads(int count, int cores) {
        if (count < 1) {
            throw new IllegalArgumentException("kernel threads must be at least 1, not " + count);
        }
        this.count = count;
        this.spins = count > cores ? 0 : SPINS;
        this.claims = new AtomicLong(count); // loop 0 has no unclaimed slice
        this.workers = new Worker[count - 1];
        for (int i = 0; i < workers.length; i++) {
            workers[i] = new Worker(i + 1);
        }
        for (Worker worker : workers) {
            worker.thread.start();
        }
    }

    /** Threads that work on a loop, the caller included. */
    public int count() {
        return count;
    }

    /** Has all threads ask often whether to go on: before each loop, and where its slices call {@link #check}. What it throws ends the loop. */
    public void checkWith(Runnable newCheck) {
        check = newCheck;
    }

    /** For a slice, between parts of a long loop. */
    public void check() {
        check.run();
    }

    /**
     * Runs slices 0..count-1 and returns when all are done; an exception of a slice is thrown here, after all slices have ended.
     *
     * @throws IllegalStateException when called from inside a slice or after {@link #close}
     */
    public void run(Slice slice) {
        if (running || closed) {
            throw new IllegalStateException(closed ? "kernel threads are closed" : "a kernel loop runs already");
        }
        check.run();
        if (count == 1) {
            slice.run(0, 1);
            return;
        }
        running = true;
        try {
            begin(slice);
            claimSlices();
            awaitOthers();
        } finally {
            running = false;
        }
        throwFailure();
    }

    private void begin(Slice slice) {
        current = slice;
        unfinished.set(count);
        claims.set((epochOf(claims.get()) + 1) << EPOCH_SHIFT);
        for (Worker worker : workers) {
            if (worker.parked.get()) {
                LockSupport.unpark(worker.thread);
            }
        }
    }

    private static long epochOf(long claim) {
        return claim >>> EPOCH_SHIFT;
    }

    /** Runs slices of the current loop until none is unclaimed. */
    private void claimSlices() {
        while (true) {
            long claim = claims.get();
            int index = (int) claim;
            if (index >= count) {
                return;
            }
            Slice slice =
                    current; // of this loop if the claim succeeds: a loop cannot end while a slice of it is unclaimed
            if (slice != null && claims.compareAndSet(claim, claim + 1)) {
                runSlice(slice, index);
            }
        }
    }

    private void runSlice(Slice slice, int index) {
        try {
            slice.run(index, count);
        } catch (Throwable thrown) { // carried to the owner, which throws it from run
            failure.compareAndSet(null, thrown);
        }
        if (unfinished.decrementAndGet() == 0) {
            Thread owner = parkedOwner;
            if (owner != null) {
                LockSupport.unpark(owner);
            }
        }
    }

    private void awaitOthers() {
        for (int i = 0; i < spins; i++) {
            if (unfinished.get() == 0) {
                return;
            }
            Thread.onSpinWait();
        }
        boolean interrupted = false;
        parkedOwner = Thread.currentThread();
        while (unfinished.get() != 0) {
            LockSupport.park(this);
            interrupted |= Thread.interrupted();
        }
        parkedOwner = null;
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void throwFailure() {
        Throwable thrown = failure.get();
        if (thrown == null) {
            return;
        }
        failure.set(null);
        switch (thrown) {
            case RuntimeException exception -> throw exception;
            case Error error -> throw error;
            default -> throw new IllegalStateException("a kernel slice threw a checked exception", thrown);
        }
    }

    /** First of {@code total} items that belongs to a slice, when each slice takes an equal part. */
    public static int firstOf(int total, int slice, int slices) {
        return (int) ((long) total * slice / slices);
    }

    /** Ends the threads and waits for them; whoever hangs in a kernel is left behind, with the rank that waits for it. */
    @Override
    public void close() {
        closed = true;
        long endNs = System.nanoTime() + CLOSE_LIMIT.toNanos();
        boolean interrupted = false;
        for (Worker worker : workers) {
            LockSupport.unpark(worker.thread);
            interrupted |= awaitEnd(worker.thread, endNs);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether somebody interrupted the wait. */
    private static boolean awaitEnd(Thread thread, long endNs) {
        boolean interrupted = false;
        while (thread.isAlive() && endNs - System.nanoTime() > 0) {
            try {
                thread.join(Duration.ofNanos(endNs - System.nanoTime()));
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (thread.isAlive()) {
            LOG.error("thread {} has not ended within {} ms", thread.getName(), CLOSE_LIMIT.toMillis());
        }
        return interrupted;
    }

    /** One thread of the pool. */
    private final class Worker {
        private final Thread thread;

        /** True while the thread is parked or about to be; set before the last look at the claims, so no wake-up is lost. */
        private final AtomicBoolean parked = new AtomicBoolean();

        Worker(int number) {
            this.thread = Thread.ofPlatform().daemon().name("kernel-" + number).unstarted(this::loop);
        }

        private void loop() {
            while (awaitSlices()) {
                claimSlices();
            }
        }

        /** True when a slice is unclaimed, false when the pool is closed. */
        private boolean awaitSlices() {
            for (int i = 0; i < spins && !closed; i++) {
                if (hasSlices()) {
                    return true;
                }
                Thread.onSpinWait();
            }
            parked.set(true);
            while (!hasSlices() && !closed) {
                LockSupport.park(KernelThreads.this);
            }
            parked.set(false);
            return !closed;
        }

        private boolean hasSlices() {
            return (int) claims.get() < count;
        }
    }
}
