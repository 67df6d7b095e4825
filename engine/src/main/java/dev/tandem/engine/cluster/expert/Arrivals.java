package dev.tandem.engine.cluster.expert;

import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** How many results a rank worker still waits for. Thread-safe: one lock, held for a few instructions. */
final class Arrivals implements ExpertTask.Owner {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private int awaited;
    private Optional<Throwable> failure = Optional.empty();

    /** One more will come. */
    void expect() {
        lock.lock();
        try {
            awaited++;
        } finally {
            lock.unlock();
        }
    }

    /** One has come, or will never come. */
    void arrive() {
        lock.lock();
        try {
            awaited--;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void done(ExpertTask task, Optional<Throwable> cause) {
        lock.lock();
        try {
            failure = failure.or(() -> cause);
        } finally {
            lock.unlock();
        }
        arrive();
    }

    /** Waits for all of them; false when time runs out. */
    boolean awaitAll(long timeoutNs) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = timeoutNs;
            while (awaited > 0 && left > 0) {
                left = changed.awaitNanos(left);
            }
            return awaited == 0;
        } finally {
            lock.unlock();
        }
    }

    /** What went wrong since the last time that somebody asked. */
    Optional<Throwable> takeFailure() {
        lock.lock();
        try {
            Optional<Throwable> taken = failure;
            failure = Optional.empty();
            return taken;
        } finally {
            lock.unlock();
        }
    }
}
