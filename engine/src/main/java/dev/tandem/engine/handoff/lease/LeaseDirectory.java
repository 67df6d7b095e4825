package dev.tandem.engine.handoff.lease;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/**
 * Live leases by virtual id and by request. Changed by the engine loop only; looked up by transfer threads (virtual id) and the
 * side-channel poller (request), hence the concurrent maps.
 */
public final class LeaseDirectory {
    private final ConcurrentNavigableMap<Integer, BlockLease> byFirstVirtualId = new ConcurrentSkipListMap<>();
    private final Map<String, BlockLease> byRequest = new ConcurrentHashMap<>();

    public void add(BlockLease lease) {
        byRequest.put(lease.requestId(), lease);
        byFirstVirtualId.put(lease.firstVirtualId(), lease);
    }

    public void remove(BlockLease lease) {
        byFirstVirtualId.remove(lease.firstVirtualId());
        byRequest.remove(lease.requestId());
    }

    @Nullable
    public BlockLease ofRequest(String requestId) {
        return byRequest.get(requestId);
    }

    /** The lease that holds every id in {@code [first, last]}, or null. */
    @Nullable
    public BlockLease holding(int first, int last) {
        var entry = byFirstVirtualId.floorEntry(first);
        return entry != null && last < entry.getValue().endVirtualId() ? entry.getValue() : null;
    }

    /** The last lease that holds any id in {@code [first, last]}, or null. */
    @Nullable
    public BlockLease touching(int first, int last) {
        var entry = byFirstVirtualId.floorEntry(last);
        return entry != null && entry.getValue().endVirtualId() > first ? entry.getValue() : null;
    }
}
