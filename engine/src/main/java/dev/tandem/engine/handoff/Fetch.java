package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One prompt's KV on its way to all local ranks. The upper half never changes; the lower half belongs to the side-channel poller. */
final class Fetch {
    /**
     * What is read.
     *
     * @param tokens those whose KV is not here
     * @param localBlockIds all blocks of the prompt in order, the same on all ranks
     */
    record Order(String requestId, HandoffTicket ticket, TransferPlan.Tokens tokens, List<Integer> localBlockIds) {}

    private final Order order;
    private final long deadlineNs; // on the engine loop's clock
    private final long startedNs = System.nanoTime(); // on this machine's own

    /** Why it shall end early; the first reason stays. */
    @Nullable
    TransferException giveUp;

    /** Reads under way or at rest, since the plan was made; its memory is at rest when none is open. */
    final List<Transfer> reads = new ArrayList<>();

    int openReads;

    /** Bytes that the plan asks for, and bytes that came. */
    long plannedBytes;

    long movedBytes;

    /** Why the first read that failed did so. */
    @Nullable
    TransferException failure;

    /** What was read by, rank by rank; empty until metadata is here. */
    List<PeerMetadata> readBy = List.of();

    /** Why the read by cached metadata failed; what is reported unless newer metadata differs. */
    @Nullable
    TransferException readFailure;

    /** The metadata was taken from the book and not asked for because of this fetch. */
    boolean isCached;

    /** An event has been left. */
    boolean isOver;

    Fetch(Order order, long deadlineNs) {
        this.order = order;
        this.deadlineNs = deadlineNs;
    }

    Order order() {
        return order;
    }

    /** Forgets reads that came to rest before; called when a plan is carried out. */
    void beginReads() {
        reads.clear();
        plannedBytes = 0;
        movedBytes = 0;
        failure = null;
    }

    String requestId() {
        return order.requestId();
    }

    HandoffTicket ticket() {
        return order.ticket();
    }

    TransferPlan.Tokens tokens() {
        return order.tokens();
    }

    List<Integer> localBlockIds() {
        return order.localBlockIds();
    }

    long deadlineNs() {
        return deadlineNs;
    }

    long elapsedNanos() {
        return System.nanoTime() - startedNs;
    }
}
