package dev.tandem.engine.handoff;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Counts transfers that touch a replica's pools, so that whoever closes the replica can wait until none does. Owned by the side-channel
 * poller, but for {@link #await}.
 */
final class InFlightTransfers {
    private int open;
    private @Nullable CompletableFuture<Boolean> reached; // null while the engine lives

    /** A transfer has begun. */
    void enter() {
        open++;
    }

    /** A transfer is at rest, and what follows from it has been done. */
    void leave() {
        open--;
        report();
    }

    private void report() {
        if (reached != null && open == 0) {
            reached.complete(true);
        }
    }

    /**
     * Waits until nothing is open; any thread but the poller.
     *
     * @param giveUp run on the poller first; after it nothing new may begin
     * @return false when that took longer than {@code patience}
     */
    boolean await(SideChannel channel, Duration patience, Runnable giveUp) {
        var atRest = new CompletableFuture<Boolean>();
        channel.execute(() -> {
            giveUp.run();
            reached = atRest;
            report();
        });
        boolean isInterrupted = false;
        long endNs = System.nanoTime() + patience.toNanos();
        while (!atRest.isDone() && channel.isRunning() && endNs - System.nanoTime() > 0) {
            try {
                atRest.get(50, TimeUnit.MILLISECONDS);
            } catch (TimeoutException notYet) {
                // the loop asks again whether the channel lives
            } catch (ExecutionException e) {
                throw new IllegalStateException(e);
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
        return atRest.isDone();
    }
}
