package dev.tandem.engine.handoff.runtime;

import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.transfer.Region.Operation;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Transfers of one kind that touch a replica's pools, counted so that whoever closes the replica can wait until none does. Owned by the
 * side-channel poller, but for {@link #await}.
 */
public final class InFlightTransfers {
    /** Starts a transfer: {@code TransferEngine.read} or {@code write}, or what a test puts in their place. */
    @FunctionalInterface
    public interface Starter {
        Transfer start(String peer, SpanBatch spans, Duration deadline);
    }

    /** Hears on the poller that a transfer has ended: nothing touches its memory any more. */
    @FunctionalInterface
    public interface Listener {
        /**
         * @param bytes that were moved; 0 when it failed
         * @param failure why it failed, or null
         */
        void ended(Transfer transfer, long bytes, @Nullable TransferException failure);
    }

    private final SideChannel channel;
    private final Operation operation;
    private final Starter starter;
    private int open;
    private @Nullable CompletableFuture<Boolean> quiesced; // null while the engine lives

    /** @param operation what the starter does to the peer's memory */
    public InFlightTransfers(SideChannel channel, Operation operation, Starter starter) {
        this.channel = channel;
        this.operation = operation;
        this.starter = starter;
    }

    /**
     * Starts one transfer.
     *
     * @param peer name of the peer's transfer engine
     */
    @SuppressWarnings("FutureReturnValueIgnored") // what the callback posts is the result
    public Transfer start(String peer, SpanBatch spans, Duration deadline, Listener listener) {
        Transfer transfer = starter.start(peer, spans, deadline);
        open++;
        transfer.done().whenComplete((moved, cause) -> channel.execute(() -> ended(transfer, moved, cause, listener)));
        return transfer;
    }

    private void ended(
            Transfer transfer, Transfer.@Nullable Moved moved, @Nullable Throwable cause, Listener listener) {
        if (moved == null) {
            listener.ended(transfer, 0, TransferException.of(operation, cause));
        } else {
            listener.ended(transfer, moved.bytes(), null);
        }
        open--;
        report();
    }

    private void report() {
        if (quiesced != null && open == 0) {
            quiesced.complete(true);
        }
    }

    /**
     * Waits until no transfer is open; any thread but the poller.
     *
     * @param giveUp run on the poller first; after it nothing new may begin
     * @return false when that took longer than {@code patience}
     */
    public boolean await(Duration patience, Runnable giveUp) {
        var ended = new CompletableFuture<Boolean>();
        channel.execute(() -> {
            giveUp.run();
            quiesced = ended;
            report();
        });
        boolean isInterrupted = false;
        long endNs = System.nanoTime() + patience.toNanos();
        while (!ended.isDone() && channel.isRunning() && endNs - System.nanoTime() > 0) {
            try {
                ended.get(50, TimeUnit.MILLISECONDS);
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
        return ended.isDone();
    }
}
