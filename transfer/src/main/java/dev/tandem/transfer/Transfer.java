package dev.tandem.transfer;

import java.util.concurrent.CompletableFuture;

/**
 * One posted transfer. When {@link #done} completes, normally or not, nothing touches the caller's memory any more.
 */
public interface Transfer {
    /** Completes with the bytes moved and the time taken, or with a {@link TransferException}. */
    CompletableFuture<Moved> done();

    /** Asks the poller to stop; {@link #done} then completes with CANCELLED unless it was already done. */
    void cancel();

    /**
     * @param bytes payload moved
     * @param nanos from posting to the last byte
     * @param isConfirmed false only for writes to a v1 peer, which acknowledges nothing
     */
    record Moved(long bytes, long nanos, boolean isConfirmed) {}
}
