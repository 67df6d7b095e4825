package dev.tandem.engine.cluster.channel;

import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Frames between the threads that send and the one that writes, bounded in number and bytes. Thread-safe: one lock, held for a few
 * instructions.
 */
final class FrameQueue {
    /** What the writer is to do next. */
    sealed interface Turn {
        /** Write this. */
        record Frame(Outgoing frame) implements Turn {}

        /** Nothing came in time. */
        record Pause() implements Turn {}

        /** No more frames will come: everything was taken, or the connection is gone. */
        record End() implements Turn {}
    }

    private static final Turn PAUSE = new Turn.Pause();
    private static final Turn END = new Turn.End();

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition isFilled = lock.newCondition();
    private final Condition hasRoom = lock.newCondition();
    private final ArrayDeque<Outgoing> frames = new ArrayDeque<>();
    private final ChannelLimits limits;
    private long queuedBytes;
    private boolean isFinished; // takes no more frames

    FrameQueue(ChannelLimits limits) {
        this.limits = limits;
    }

    /** Adds a frame unless the queue is full or finished; then the frame stays the caller's. Never waits. */
    boolean offer(Outgoing frame) {
        lock.lock();
        try {
            if (isFinished || !fits(frame)) {
                return false;
            }
            add(frame);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Adds a frame as soon as there is room; false when the queue is finished, which a writer that stands still brings about. */
    boolean put(Outgoing frame) {
        lock.lock();
        try {
            while (!isFinished && !fits(frame)) {
                hasRoom.awaitUninterruptibly();
            }
            if (isFinished) {
                return false;
            }
            add(frame);
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Writer: the next turn, after at most this time; 0 does not wait. */
    Turn next(long timeoutNs) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long left = timeoutNs;
            while (frames.isEmpty() && !isFinished && left > 0) {
                left = isFilled.awaitNanos(left);
            }
            Outgoing frame = frames.poll();
            if (frame == null) {
                return isFinished ? END : PAUSE;
            }
            queuedBytes -= frame.bytes();
            hasRoom.signalAll();
            return new Turn.Frame(frame);
        } finally {
            lock.unlock();
        }
    }

    /** Takes no more frames; those that wait are still written. */
    void finish() {
        lock.lock();
        try {
            isFinished = true;
            isFilled.signalAll();
            hasRoom.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Takes no more frames and drops those that wait. */
    void drop() {
        finish();
        for (Outgoing frame = poll(); frame != null; frame = poll()) {
            frame.released().run();
        }
    }

    private @Nullable Outgoing poll() {
        lock.lock();
        try {
            return frames.poll();
        } finally {
            lock.unlock();
        }
    }

    private boolean fits(Outgoing frame) {
        return frames.isEmpty()
                || (frames.size() < limits.maxQueuedFrames() && queuedBytes + frame.bytes() <= limits.maxQueuedBytes());
    }

    private void add(Outgoing frame) {
        frames.add(frame);
        queuedBytes += frame.bytes();
        isFilled.signal();
    }
}
