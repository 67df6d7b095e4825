package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One prompt's KV on its way. The upper half never changes; the lower half belongs to the side-channel poller. */
final class Fetch {
    /**
     * What is read.
     *
     * @param tokens those whose KV is not here
     * @param localBlockIds all blocks of the prompt in order
     */
    record Order(String requestId, HandoffTicket ticket, TransferPlan.Tokens tokens, List<Integer> localBlockIds) {}

    private final Order order;
    private final long deadlineNs; // on the engine loop's clock
    private final long startedNs = System.nanoTime(); // on this machine's own

    /** Why it shall end early; the first reason stays. */
    @Nullable
    TransferException giveUp;

    /** Bytes are moving: its memory is not at rest. */
    @Nullable
    Transfer moving;

    /** Bytes that the plan asks for. */
    long plannedBytes;

    /** What was read by; null until metadata is here. */
    @Nullable
    PeerMetadata readBy;

    /** Why the read by cached metadata failed; what is reported unless newer metadata differs. */
    @Nullable
    TransferException readFailure;

    /** The metadata was taken from the cache and not asked for because of this fetch. */
    boolean isCached;

    /** An event has been left. */
    boolean isOver;

    Fetch(Order order, long deadlineNs) {
        this.order = order;
        this.deadlineNs = deadlineNs;
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
