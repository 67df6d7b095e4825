package dev.tandem.engine.request;

import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Token;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A token stream as a queue that is bounded by what a request may produce: at most {@code maxTokens} tokens and one end. The engine loop
 * adds and never waits; one reader takes; anybody closes. A reader that is {@value #MOST_UNREAD} tokens behind is told of, so that nothing is
 * computed for it until it has read half of them. The lock is held for a few instructions only.
 */
public final class TokenQueue implements TokenStream {
    /** Tokens, with each alternative that log probabilities name, after which the reader is behind. */
    static final int MOST_UNREAD = 1024;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<TokenEvent> events = new ArrayDeque<>();
    private final int maxTokens;
    private final Consumer<TokenQueue> abort;
    private final Runnable caughtUp;
    private int tokensAdded;
    private int unread;
    private @Nullable TokenEvent end;
    private boolean isEndRead;
    private FinishReason closeReason = FinishReason.ABORT;
    private volatile boolean isBehind; // read by the engine loop for every sequence of a step
    private volatile boolean isClosed; // read by the rank worker in the middle of a step

    /**
     * @param maxTokens most tokens that will be added
     * @param abort called at most once, by the thread that closes the stream before its end was read
     */
    public TokenQueue(int maxTokens, Consumer<TokenQueue> abort) {
        this(maxTokens, abort, () -> {});
    }

    /** @param caughtUp called by the reader's thread when it is no more behind */
    public TokenQueue(int maxTokens, Consumer<TokenQueue> abort, Runnable caughtUp) {
        this.maxTokens = maxTokens;
        this.abort = abort;
        this.caughtUp = caughtUp;
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
                unread += weight(token);
                isBehind |= unread >= MOST_UNREAD;
                changed.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    private static int weight(Token token) {
        return 1 + (token.logprobs().isPresent() ? token.logprobs().get().top().size() : 0);
    }

    /** The reader has not read for long: what is computed for it now would only wait. */
    public boolean isBehind() {
        return isBehind;
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

    /** The next event, if one is there; as {@link #next} without waiting. */
    public Optional<TokenEvent> poll() throws InterruptedException {
        lock.lock();
        try {
            if (events.isEmpty()) {
                return Optional.empty();
            }
        } finally {
            lock.unlock();
        }
        return Optional.of(next(Duration.ZERO));
    }

    @Override
    public TokenEvent next(Duration timeout) throws InterruptedException {
        long remaining = timeout.compareTo(Duration.ofNanos(Long.MAX_VALUE)) < 0 ? timeout.toNanos() : Long.MAX_VALUE;
        boolean hasCaughtUp = false;
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
            unread -= event instanceof Token token ? weight(token) : 0;
            hasCaughtUp = isBehind && unread <= MOST_UNREAD / 2;
            isBehind &= !hasCaughtUp;
            return event;
        } finally {
            lock.unlock();
            if (hasCaughtUp) {
                caughtUp.run();
            }
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
            isBehind = false;
            unread = 0;
            events.removeIf(event -> event instanceof Token);
        } finally {
            lock.unlock();
        }
        abort.accept(this);
    }
}
