package dev.tandem.engine.request;

import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Token;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A token stream as a queue that is bounded by what a request may produce: at most {@code maxTokens} tokens and one end. The engine loop
 * adds and never waits; one reader takes; anybody closes. The lock is held for a few instructions only.
 */
public final class TokenQueue implements TokenStream {
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<TokenEvent> events = new ArrayDeque<>();
    private final int maxTokens;
    private final Consumer<TokenQueue> abort;
    private int tokensAdded;
    private @Nullable TokenEvent end;
    private boolean isEndRead;
    private FinishReason closeReason = FinishReason.ABORT;
    private volatile boolean isClosed; // read by the rank worker in the middle of a step

    /**
     * @param maxTokens most tokens that will be added
     * @param abort called at most once, by the thread that closes the stream before its end was read
     */
    public TokenQueue(int maxTokens, Consumer<TokenQueue> abort) {
        this.maxTokens = maxTokens;
        this.abort = abort;
    }

    /** Engine loop: one more token. After a close it is dropped. */
    public void add(Token token) {
        lock.lock();
        try {
            if (end != null || tokensAdded++ >= maxTokens) {
                throw new IllegalStateException("token " + tokensAdded + " of " + maxTokens + " after end " + end);
            }
            if (!isClosed) {
                events.add(token);
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Engine loop: {@link TokenEvent.Finished} or {@link TokenEvent.Failed}; a second end is ignored. */
    public void end(TokenEvent last) {
        lock.lock();
        try {
            if (end == null) {
                end = last;
                events.add(last);
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /** The reader wants no more. */
    public boolean isClosed() {
        return isClosed;
    }

    /** Why it wants no more; meaningful once closed. */
    public FinishReason closeReason() {
        lock.lock();
        try {
            return closeReason;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public TokenEvent next(Duration timeout) throws InterruptedException {
        long remaining = timeout.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0 ? timeout.toNanos() : Long.MAX_VALUE;
        lock.lockInterruptibly();
        try {
            while (events.isEmpty()) {
                if (isEndRead) {
                    throw new IllegalStateException("the stream has ended with " + end);
                }
                if (remaining <= 0) {
                    throw new EngineException(
                            EngineException.Kind.TIMED_OUT, "no token within " + timeout.toMillis() + " ms");
                }
                remaining = changed.awaitNanos(remaining);
            }
            TokenEvent event = events.remove();
            isEndRead = !(event instanceof Token);
            return event;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void close() {
        close(FinishReason.ABORT);
    }

    @Override
    public void stop() {
        close(FinishReason.STOP);
    }

    private void close(FinishReason reason) {
        lock.lock();
        try {
            if (isClosed || isEndRead) {
                return;
            }
            closeReason = reason;
            isClosed = true;
            events.removeIf(event -> event instanceof Token);
        } finally {
            lock.unlock();
        }
        abort.accept(this);
    }
}
