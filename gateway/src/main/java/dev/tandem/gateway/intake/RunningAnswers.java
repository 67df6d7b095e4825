package dev.tandem.gateway.intake;

import dev.tandem.api.openai.ApiError;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The answers under way, and how a gateway that stops takes leave of them: it lets no more begin, waits, then tells the clients that are
 * left. Event loops add and remove; one thread drains.
 */
public final class RunningAnswers {
    /** What a client hears that comes while the gateway stops, or whose answer is not complete when it does. */
    static final ApiError STOPPING = ApiError.unavailable("the gateway is stopping", 1);

    /** How long the event loops may take to tell every client. */
    private static final Duration TELL_LIMIT = Duration.ofSeconds(5);

    private final Set<ClientAnswer> running = ConcurrentHashMap.newKeySet();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition fewer = lock.newCondition();
    /** Set once by the thread that drains; read by event loops after they have added an answer. */
    private volatile boolean draining;

    /** Whether no more answers begin. */
    public boolean isDraining() {
        return draining;
    }

    /** Whether an answer may begin. */
    boolean add(ClientAnswer answer) {
        running.add(answer);
        if (draining) {
            remove(answer);
            return false;
        }
        return true;
    }

    void remove(ClientAnswer answer) {
        running.remove(answer);
        if (draining) {
            lock.lock();
            try {
                fewer.signalAll();
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * Refuses new requests from now on and waits for the answers under way; those that are left then end with an error event or a 503.
     *
     * @return how many were left
     */
    public int drain(Duration patience) throws InterruptedException {
        refuseMore();
        awaitNone(patience);
        int left = stopAll();
        awaitNone(TELL_LIMIT);
        return left;
    }

    /** Lets no more answers begin. */
    public void refuseMore() {
        draining = true;
    }

    /** Ends the answers under way with an error event or a 503, in the order in which they began; how many there were. */
    public int stopAll() {
        List<ClientAnswer> left = new ArrayList<>(running);
        left.sort(Comparator.comparingLong(ClientAnswer::startNs));
        left.forEach(ClientAnswer::stop);
        return left.size();
    }

    /** How many answers are under way. */
    public int count() {
        return running.size();
    }

    private void awaitNone(Duration patience) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            long leftNs = patience.toNanos();
            while (!running.isEmpty() && leftNs > 0) {
                leftNs = fewer.awaitNanos(leftNs);
            }
        } finally {
            lock.unlock();
        }
    }
}
