package dev.tandem.engine.handoff.pull;

import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/** One prompt's KV on its way to all local ranks. What stands before {@link #giveUp} never changes; the rest belongs to the side-channel poller. */
final class Fetch {
    final HandoffTicket ticket;
    final PromptBlocks prompt;
    final long deadlineNs; // on the engine loop's clock
    private final LongSupplier nanoClock; // of this machine
    private final long startedNs;

    /** Why it shall end early; the first reason stays. */
    @Nullable
    TransferException giveUp;

    /** Reads that have begun since the plan was made; the blocks are at rest when none is open. */
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

    /** The metadata was known before and not asked for because of this fetch. */
    boolean isCached;

    /** An event has been left. */
    boolean isOver;

    Fetch(HandoffTicket ticket, PromptBlocks prompt, long deadlineNs, LongSupplier nanoClock) {
        this.ticket = ticket;
        this.prompt = prompt;
        this.deadlineNs = deadlineNs;
        this.nanoClock = nanoClock;
        this.startedNs = nanoClock.getAsLong();
    }

    String requestId() {
        return prompt.requestId();
    }

    /** Forgets reads that have ended before; called when a plan is carried out. */
    void beginReads() {
        reads.clear();
        plannedBytes = 0;
        movedBytes = 0;
        failure = null;
    }

    long elapsedNs() {
        return nanoClock.getAsLong() - startedNs;
    }
}
