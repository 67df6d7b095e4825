package dev.tandem.engine.handoff.lease;

import dev.tandem.transfer.Region;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The blocks of one prompt, lent on all ranks of the engine at once under fresh virtual ids {@code firstVirtualId .. firstVirtualId +
 * blocks - 1}. Transfer threads open and close accesses, the engine loop ends it; its blocks are at rest when it has ended and no access is
 * open. The two facts live in one atomic word, because an access must not slip in between "ended" and "none open".
 *
 * <p>A lease belongs to the parties that use it first, as many as its purpose expects; another one is refused, although it knows the
 * address, and the lease lives on. A party is a host, never a connection or a port: readers open as many as they like.
 */
public final class BlockLease {
    private static final int ENDED = 1 << 30;

    private final String requestId;
    private final long firstVirtualId;
    private final int[] blockIds; // physical, [blocks]
    private final long deadlineNs;

    /** ENDED bit and number of open accesses: changed by transfer threads and the engine loop. */
    private final AtomicInteger state = new AtomicInteger();

    /** Accesses opened and closed so far: changed by transfer threads, looked at by the engine loop to see that something moves. */
    private final AtomicInteger moves = new AtomicInteger();

    private final Purpose purpose;

    /** Who used it first; replaced under this object's lock, read without it. */
    private volatile List<String> parties = List.of();

    /** What the blocks are lent for. */
    public sealed interface Purpose {
        /** The most parties that may use the lease. */
        int parties();

        /**
         * P: a decode node reads them, with a host at most for each read.
         *
         * @param doneMessages so far; side-channel poller only
         */
        record Reading(ReleaseCounter doneMessages) implements Purpose {
            @Override
            public int parties() {
                return doneMessages.expected();
            }
        }

        /**
         * D: a prefill node writes them.
         *
         * @param parties hosts that its ranks may be on
         */
        record Writing(int parties) implements Purpose {}
    }

    public BlockLease(String requestId, long firstVirtualId, int[] blockIds, long deadlineNs, Purpose purpose) {
        this.requestId = requestId;
        this.firstVirtualId = firstVirtualId;
        this.blockIds = blockIds.clone();
        this.deadlineNs = deadlineNs;
        this.purpose = purpose;
    }

    public Purpose purpose() {
        return purpose;
    }

    /** Whether the blocks are lent for this. */
    public boolean allows(Region.Operation operation) {
        return switch (purpose) {
            case Purpose.Reading reading -> operation == Region.Operation.READ;
            case Purpose.Writing writing -> operation == Region.Operation.WRITE;
        };
    }

    /** Whether a party may use the lease; while there is room for another one it may from now on. */
    public boolean admits(String party) {
        return parties.contains(party) || join(party);
    }

    private synchronized boolean join(String party) {
        if (parties.contains(party)) {
            return true;
        }
        if (parties.size() >= purpose.parties()) {
            return false;
        }
        var more = new ArrayList<>(parties);
        more.add(party);
        parties = List.copyOf(more);
        return true;
    }

    public String requestId() {
        return requestId;
    }

    public long firstVirtualId() {
        return firstVirtualId;
    }

    /** The id after the last one. */
    public long endVirtualId() {
        return firstVirtualId + blockIds.length;
    }

    /** All ids in order, as a ticket names them. */
    public long[] virtualIds() {
        var ids = new long[blockIds.length];
        for (int index = 0; index < ids.length; index++) {
            ids[index] = firstVirtualId + index;
        }
        return ids;
    }

    public long deadlineNs() {
        return deadlineNs;
    }

    /** Where a virtual block lies now. */
    public int physicalBlock(long virtualId) {
        return blockIds[Math.toIntExact(virtualId - firstVirtualId)];
    }

    public int[] blockIds() {
        return blockIds.clone();
    }

    /** Counts an access in, unless the lease has ended. */
    public boolean tryOpen() {
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

    /** Counts an access out; true when the lease had ended and this was its last one. */
    public boolean closeOne() {
        moves.incrementAndGet();
        return state.decrementAndGet() == ENDED;
    }

    /** A number that changes, and wraps, with every access that begins or ends. */
    public int moves() {
        return moves.get();
    }

    /** Refuses new accesses from now on; true when no access is open. */
    public boolean end() {
        int before = state.getAndUpdate(seen -> seen | ENDED);
        return before == 0;
    }
}
