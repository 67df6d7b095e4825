package dev.tandem.engine.handoff.lease;

import java.util.ArrayDeque;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/**
 * Live leases by virtual id and by request, and where the last ones were that ended. Changed by the engine loop only; looked up by transfer
 * threads (virtual id) and the side-channel poller (request), hence the concurrent maps.
 */
public final class LeaseDirectory {
    /** Ended leases that are remembered: late readers are told from strangers by them, and their ids are not given again. */
    static final int MAX_ENDED = 16_384;

    private final ConcurrentNavigableMap<Long, BlockLease> byFirstVirtualId = new ConcurrentSkipListMap<>();
    private final Map<String, BlockLease> byRequest = new ConcurrentHashMap<>();
    private final ConcurrentNavigableMap<Long, Long> ended =
            new ConcurrentSkipListMap<>(); // first id: id after the last
    private final ArrayDeque<Long> endedInOrder = new ArrayDeque<>(); // first ids, longest ago first; engine loop only

    public void add(BlockLease lease) {
        byRequest.put(lease.requestId(), lease);
        byFirstVirtualId.put(lease.firstVirtualId(), lease);
    }

    public void remove(BlockLease lease) {
        if (ended.put(lease.firstVirtualId(), lease.endVirtualId()) == null) {
            endedInOrder.add(lease.firstVirtualId());
        }
        byFirstVirtualId.remove(lease.firstVirtualId());
        byRequest.remove(lease.requestId());
        if (endedInOrder.size() > MAX_ENDED) {
            ended.remove(endedInOrder.remove());
        }
    }

    @Nullable
    public BlockLease ofRequest(String requestId) {
        return byRequest.get(requestId);
    }

    /** The lease that holds every id in {@code [first, last]}, or null. */
    @Nullable
    public BlockLease holding(long first, long last) {
        var entry = byFirstVirtualId.floorEntry(first);
        return entry != null && last < entry.getValue().endVirtualId() ? entry.getValue() : null;
    }

    /** Whether one lease holds, or one of those that ended last held, every id in {@code [first, last]}. */
    boolean knew(long first, long last) {
        if (holding(first, last) != null) {
            return true;
        }
        var entry = ended.floorEntry(first);
        return entry != null && last < entry.getValue();
    }

    /** Whether no lease, and none of those that ended last, touches {@code [first, last]}. Engine loop. */
    boolean isFree(long first, long last) {
        var live = byFirstVirtualId.floorEntry(last);
        if (live != null && live.getValue().endVirtualId() > first) {
            return false;
        }
        var over = ended.floorEntry(last);
        return over == null || over.getValue() <= first;
    }
}
