package dev.tandem.systemtest.process;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** Waits for a condition of another process, which nothing here can be told of. */
public final class Await {
    private static final long POLL_NS = 20_000_000;

    private Await() {}

    /** Polls until the condition holds; fails with the message when the time is over. */
    public static void until(Duration limit, BooleanSupplier condition, Supplier<String> message) {
        long deadlineNs = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadlineNs) {
                throw new AssertionError(message.get());
            }
            LockSupport.parkNanos(POLL_NS);
        }
    }
}
