package dev.tandem.api.server;

import dev.tandem.api.openai.ApiError;
import dev.tandem.counter.Counters;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The bytes that a server holds for its clients: bodies while they arrive and while they are worked on, and replies that wait for their
 * reader. What does not fit is refused, so that many clients together cannot fill the heap, each within its own bound. A part of it is kept
 * for small holds: they get through while large ones have taken the rest. Thread-safe.
 */
final class ByteAccount {
    /** A hold that stays below may use the whole account. */
    static final int SMALL_BYTES = 64 << 10;
    /** The share of the account that only small holds may use is 1 of this. */
    private static final int SMALL_SHARE = 16;

    private static final int RETRY_AFTER_SECONDS = 1;

    private final long capacity;
    private final long largeCapacity;
    /** Taken and given back by event loops and by handlers' threads. */
    private final AtomicLong held = new AtomicLong();

    private final Counters<HttpCounter> counters;

    ByteAccount(long capacity, Counters<HttpCounter> counters) {
        this.counters = counters;
        this.capacity = capacity;
        this.largeCapacity = capacity - capacity / SMALL_SHARE;
    }

    /** Counts a refusal of what does not fit, and says it; worth another try soon. */
    ApiError refusal() {
        counters.increment(HttpCounter.MEMORY_REFUSALS);
        return ApiError.unavailable("too many bytes are held for requests in flight", RETRY_AFTER_SECONDS);
    }

    /** The largest hold there can be. */
    long largest() {
        return largeCapacity;
    }

    long held() {
        return held.get();
    }

    /** Takes bytes for a holder that has so many in all then; false when they do not fit. */
    boolean take(long bytes, long holderBytes) {
        long bound = holderBytes <= SMALL_BYTES ? capacity : largeCapacity;
        long before = held.get();
        while (before + bytes <= bound) {
            if (held.compareAndSet(before, before + bytes)) {
                return true;
            }
            before = held.get();
        }
        return false;
    }

    void giveBack(long bytes) {
        held.addAndGet(-bytes);
    }

    Hold open() {
        return new Hold(this);
    }

    /** What one exchange holds. Used by the event loop and the handler's thread; the lock is held for a few instructions. */
    static final class Hold {
        private final ByteAccount account;
        private long bytes;
        private boolean closed;

        private Hold(ByteAccount account) {
            this.account = account;
        }

        ByteAccount account() {
            return account;
        }

        /** Takes more; false when the account is spent or the exchange is over. */
        synchronized boolean take(long more) {
            if (closed || !account.take(more, bytes + more)) {
                return false;
            }
            bytes += more;
            return true;
        }

        synchronized void giveBack(long less) {
            if (!closed) {
                bytes -= less;
                account.giveBack(less);
            }
        }

        /** Gives all back; nothing can be taken any more. */
        synchronized void close() {
            if (!closed) {
                closed = true;
                account.giveBack(bytes);
            }
        }
    }
}
