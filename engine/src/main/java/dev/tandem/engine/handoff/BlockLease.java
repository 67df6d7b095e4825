package dev.tandem.engine.handoff;

import dev.tandem.transfer.Region;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The blocks of one prompt, lent on all ranks of the engine at once under fresh virtual ids {@code firstVirtualId .. firstVirtualId + blocks - 1}. Transfer threads open
 * and close accesses, the ledger ends it; its blocks come to rest when it has ended and no access is open. The two facts live in one
 * atomic word, because an access must not slip in between "ended" and "none open".
 */
final class BlockLease {
    private static final int ENDED = 1 << 30;

    private final String requestId;
    private final int firstVirtualId;
    private final int[] blockIds; // physical, [blocks]
    private final long deadlineNs;

    /** ENDED bit and number of open accesses: changed by transfer threads and the engine loop. */
    private final AtomicInteger state = new AtomicInteger();

    /** Accesses opened and closed so far: changed by transfer threads, looked at by the engine loop to see that something moves. */
    private final AtomicInteger moves = new AtomicInteger();

    private final Purpose purpose;

    /** What the blocks are lent for. */
    sealed interface Purpose {
        /**
         * P: a decode node reads them.
         *
         * @param doneMessages so far; side-channel poller only
         */
        record Reading(ReleaseCounter doneMessages) implements Purpose {}

        /** D: a prefill node writes them. */
        record Writing() implements Purpose {}
    }

    BlockLease(String requestId, int firstVirtualId, int[] blockIds, long deadlineNs, Purpose purpose) {
        this.requestId = requestId;
        this.firstVirtualId = firstVirtualId;
        this.blockIds = blockIds.clone();
        this.deadlineNs = deadlineNs;
        this.purpose = purpose;
    }

    Purpose purpose() {
        return purpose;
    }

    /** Whether the blocks are lent for this. */
    boolean allows(Region.Operation operation) {
        return switch (purpose) {
            case Purpose.Reading reading -> operation == Region.Operation.READ;
            case Purpose.Writing writing -> operation == Region.Operation.WRITE;
        };
    }

    String requestId() {
        return requestId;
    }

    int firstVirtualId() {
        return firstVirtualId;
    }

    /** The id after the last one. */
    int endVirtualId() {
        return firstVirtualId + blockIds.length;
    }

    long deadlineNs() {
        return deadlineNs;
    }

    /** Where a virtual block lies now. */
    int physicalBlock(int virtualId) {
        return blockIds[virtualId - firstVirtualId];
    }

    int[] blockIds() {
        return blockIds.clone();
    }

    /** Counts an access in, unless the lease has ended. */
    boolean tryOpen() {
        while (true) {
            int seen = state.get();
            if ((seen & ENDED) != 0) {
                return false;
            }
            if (state.compareAndSet(seen, seen + 1)) {
                moves.incrementAndGet();
                return true;
            }
        }
    }

    /** Counts an access out; true when the lease has come to rest by it. */
    boolean closeOne() {
        moves.incrementAndGet();
        return state.decrementAndGet() == ENDED;
    }

    /** A number that changes, and wraps, with every access that begins or ends. */
    int moves() {
        return moves.get();
    }

    /** Refuses new accesses from now on; true when the lease is at rest already. */
    boolean end() {
        int before = state.getAndUpdate(seen -> seen | ENDED);
        return before == 0;
    }
}
