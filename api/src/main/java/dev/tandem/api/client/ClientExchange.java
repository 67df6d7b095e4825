package dev.tandem.api.client;

import dev.tandem.api.ApiException;
import io.vertx.core.Context;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A call in flight, for a thread that may block. The head and the chunks are taken by one thread; {@link #cancel} may be called by any,
 * at any time, and closes the exchange at the server at once. At most {@value #MAX_QUEUED_BYTES} bytes wait to be taken.
 */
public final class ClientExchange implements AutoCloseable {
    private static final int MAX_QUEUED_BYTES = 1 << 20;

    private final Context context;
    private final HttpClientConfig config;
    /** Guards everything below but {@link #upstream}; shared by the event loop and the threads that take and cancel. */
    private final ReentrantLock lock = new ReentrantLock();

    private final Condition changed = lock.newCondition();
    private final ArrayDeque<byte[]> chunks = new ArrayDeque<>();
    private int queuedBytes;
    private @Nullable ReplyHead head;
    private @Nullable ApiException failure;
    private boolean ended;
    private boolean paused;
    /** Owned by the event loop. */
    private @Nullable Upstream upstream;

    private final Duration headTimeout;
    private final Duration silenceTimeout;

    ClientExchange(Context context, HttpClientConfig config) {
        this.context = context;
        this.config = config;
        this.headTimeout = config.firstByteTimeout().plus(config.connectTimeout());
        Duration longer = config.firstByteTimeout().compareTo(config.silenceTimeout()) > 0
                ? config.firstByteTimeout()
                : config.silenceTimeout();
        this.silenceTimeout = longer.plus(config.connectTimeout()); // a backstop: the event loop tells the cause before
    }

    void begin(Function<ReplyListener, Upstream> start) {
        lock.lock();
        try {
            if (failure != null) {
                return;
            }
        } finally {
            lock.unlock();
        }
        upstream = start.apply(new Mailbox());
    }

    /** Waits for status and headers. */
    public ReplyHead head() {
        long deadlineNs = System.nanoTime() + headTimeout.toNanos();
        lock.lock();
        try {
            while (head == null) {
                check();
                await(deadlineNs);
            }
            return head;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the next part of the body; empty once it is complete. */
    public Optional<byte[]> next() {
        return next(System.nanoTime() + silenceTimeout.toNanos());
    }

    /** Waits for the complete answer, no longer than the deadline and no more than the configured bytes. */
    public HttpReply reply(Duration deadline) {
        long deadlineNs = System.nanoTime() + deadline.toNanos();
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        Optional<byte[]> chunk = next(deadlineNs);
        while (chunk.isPresent()) {
            body.writeBytes(chunk.get());
            if (body.size() > config.maxReplyBytes()) {
                cancel();
                throw new ApiException(
                        ApiException.Kind.PROTOCOL, "the answer exceeds " + config.maxReplyBytes() + " bytes");
            }
            chunk = next(deadlineNs);
        }
        return new HttpReply(head(), body.toByteArray());
    }

    /** Calls the exchange off; whoever waits for it gets an {@link ApiException} of the kind CANCELLED. */
    public void cancel() {
        lock.lock();
        try {
            if (!ended && failure == null) {
                failure = new ApiException(ApiException.Kind.CANCELLED, "the call was cancelled");
                chunks.clear();
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
        context.runOnContext(nothing -> {
            Upstream running = upstream;
            if (running != null) {
                running.cancel();
            }
        });
    }

    /** Cancels what has not ended. */
    @Override
    public void close() {
        cancel();
    }

    private Optional<byte[]> next(long deadlineNs) {
        lock.lock();
        try {
            while (true) {
                byte[] chunk = chunks.poll();
                if (chunk != null) {
                    queuedBytes -= chunk.length;
                    resumeWhenDrained();
                    return Optional.of(chunk);
                }
                if (ended) {
                    return Optional.empty();
                }
                check();
                await(deadlineNs);
            }
        } finally {
            lock.unlock();
        }
    }

    private void resumeWhenDrained() {
        if (paused && queuedBytes <= MAX_QUEUED_BYTES / 2) {
            paused = false;
            context.runOnContext(nothing -> {
                Upstream running = upstream;
                if (running != null) {
                    running.resume();
                }
            });
        }
    }

    private void check() {
        if (failure != null) {
            throw failure;
        }
    }

    /** Waits for a change or fails; the callers look at the state again in a loop. */
    @SuppressWarnings("WaitNotInLoop")
    private void await(long deadlineNs) {
        try {
            if (changed.awaitNanos(deadlineNs - System.nanoTime()) <= 0) {
                cancel();
                throw new ApiException(ApiException.Kind.TIMEOUT, "no complete answer within the deadline");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            cancel();
            throw new ApiException(ApiException.Kind.CANCELLED, "interrupted while waiting for an answer", e);
        }
    }

    /** The event loop's side. */
    private final class Mailbox implements ReplyListener {
        @Override
        public void head(ReplyHead arrived) {
            lock.lock();
            try {
                head = arrived;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void chunk(byte[] bytes) {
            lock.lock();
            try {
                chunks.add(bytes);
                queuedBytes += bytes.length;
                changed.signalAll();
                Upstream running = upstream;
                if (queuedBytes > MAX_QUEUED_BYTES && !paused && running != null) {
                    paused = true;
                    running.pause();
                }
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void end() {
            lock.lock();
            try {
                ended = true;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }

        @Override
        public void failed(ApiException cause) {
            lock.lock();
            try {
                if (failure == null) {
                    failure = cause;
                }
                changed.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }
}
