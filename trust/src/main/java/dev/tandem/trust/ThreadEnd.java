package dev.tandem.trust;

import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Waits for threads that were told to end. One that hangs is named in the log, and whoever closes goes on without it. */
public final class ThreadEnd {
    private static final Logger LOG = LoggerFactory.getLogger(ThreadEnd.class);

    private ThreadEnd() {}

    /**
     * Waits for at most that time; an interrupt does not shorten it and is kept for later.
     *
     * @return whether the thread has ended; where it has not, what it uses must stay
     */
    public static boolean await(Thread thread, Duration limit) {
        long endNs = System.nanoTime() + limit.toNanos();
        boolean isInterrupted = false;
        while (thread.isAlive() && endNs - System.nanoTime() > 0) {
            try {
                thread.join(Duration.ofNanos(endNs - System.nanoTime()));
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        boolean hasEnded = !thread.isAlive();
        if (!hasEnded) {
            StackTraceElement[] stack = thread.getStackTrace();
            Object place = stack.length == 0 ? "no frame of Java" : stack[0];
            LOG.error("thread {} has not ended within {} ms, it is at {}", thread.getName(), limit.toMillis(), place);
        }
        return hasEnded;
    }
}
