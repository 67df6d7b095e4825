package dev.tandem.api.server;

import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The writing end of a stream of server-sent events. Used by one thread, that of the handler; the event loop gives back the room of
 * what the socket has taken.
 */
public final class EventStream implements AutoCloseable {
    private static final int UNCOUNTED_BYTES = 16 << 10;

    private final HttpLoopExchange loop;
    private final HttpLimits limits;
    /** Guards {@link #pendingBytes}, {@link #countedBytes} and {@link #broken}, which the handler's thread and the event loop share. */
    private final ReentrantLock lock = new ReentrantLock();

    private final Condition changed = lock.newCondition();
    private int pendingBytes;
    /** Of the pending bytes, those that the account has for this stream: beyond the first few of a client that reads as fast as is sent. */
    private int countedBytes;

    private boolean broken;
    private boolean closed;

    EventStream(HttpLoopExchange loop, HttpLimits limits) {
        this.loop = loop;
        this.limits = limits;
    }

    /**
     * Sends one event, framed already ({@code data: …} and an empty line). Blocks while the client is slow; throws
     * {@link ClientGoneException} once it has gone, or has read nothing for the time that {@link HttpLimits} allows.
     */
    public void send(byte[] event) {
        if (closed) {
            throw new IllegalStateException("the event stream is closed");
        }
        reserve(event.length);
        loop.context()
                .runOnContext(nothing -> loop.write(event).onComplete(done -> release(event.length, done.failed())));
    }

    /** Completes the answer; closing again does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            loop.context().runOnContext(nothing -> loop.end());
        }
    }

    private void reserve(int bytes) {
        long remainingNs = limits.slowClientTimeout().toNanos();
        lock.lock();
        try {
            while (!isBroken() && !mayQueue(bytes)) {
                if (remainingNs <= 0) {
                    giveUp();
                }
                remainingNs = changed.awaitNanos(remainingNs);
            }
            if (isBroken()) {
                throw new ClientGoneException("the client of " + loop.path() + " has gone");
            }
            pendingBytes += bytes;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ClientGoneException("the writer to " + loop.path() + " was interrupted");
        } finally {
            lock.unlock();
        }
    }

    /** Whether so many bytes more may wait for the client; a single event may always. */
    private boolean mayQueue(int bytes) {
        int after = pendingBytes + bytes;
        if (pendingBytes == 0 || after <= UNCOUNTED_BYTES) {
            return true;
        }
        if (after > limits.pendingResponseBytes() || !loop.replyHold().take(bytes)) {
            return false;
        }
        countedBytes += bytes;
        return true;
    }

    private boolean isBroken() {
        return broken || loop.isGone();
    }

    private void giveUp() {
        loop.context().runOnContext(nothing -> loop.abort());
        broken = true;
    }

    private void release(int bytes, boolean failed) {
        lock.lock();
        try {
            pendingBytes -= bytes;
            int tooMuch = Math.max(0, countedBytes - pendingBytes);
            countedBytes -= tooMuch;
            loop.replyHold().giveBack(tooMuch);
            broken |= failed;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }
}
