package dev.tandem.engine.handoff.lease;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.handoff.lease.BlockLease.Purpose.Reading;
import dev.tandem.engine.request.EngineException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who may read which blocks of this prefill node, until when. A lease ends by the decode node's done message, by a cancel or by its
 * deadline on this node's own clock, whichever comes first; from that moment its virtual ids are refused, and once no access is open
 * its blocks go back to the engine. Owned by the engine loop, except {@link #done} (side-channel poller) and {@link #quiesced}
 * (transfer threads), which only post to the queues that the next {@link #poll} empties.
 */
public final class LeaseTable {
    private static final Logger LOG = LoggerFactory.getLogger(LeaseTable.class);

    private final long leaseTimeoutNs;
    private final ReleaseQuorum quorum;
    private final VirtualIds virtualIds;
    private final LeaseDirectory directory;
    private final Counters<HandoffCounter> counters;
    private final Runnable wakeLoop;

    /** By request, oldest first: all leases last equally long, so the first one expires first. */
    private final LinkedHashMap<String, BlockLease> live = new LinkedHashMap<>();

    /** Ended, but not yet told to the engine: an access is still open, or {@link #poll} was not called since. */
    private final Map<BlockLease, Reason> ending = new HashMap<>();

    private final Queue<BlockLease> released = new ConcurrentLinkedQueue<>(); // at most one entry per lease
    private final Queue<BlockLease> quiet = new ConcurrentLinkedQueue<>(); // at most one entry per lease

    /**
     * @param leaseTimeoutNs how long a lease lives
     * @param quorum when a lease has got all its done messages
     * @param wakeLoop called when {@link #poll} has something
     */
    public LeaseTable(
            long leaseTimeoutNs,
            ReleaseQuorum quorum,
            VirtualIds virtualIds,
            LeaseDirectory directory,
            Counters<HandoffCounter> counters,
            Runnable wakeLoop) {
        this.leaseTimeoutNs = leaseTimeoutNs;
        this.quorum = quorum;
        this.virtualIds = virtualIds;
        this.directory = directory;
        this.counters = counters;
        this.wakeLoop = wakeLoop;
    }

    /**
     * @throws EngineException INVALID when the request has lent blocks already, OVERLOADED when virtual ids run out
     */
    public BlockLease lend(String requestId, int[] blockIds, long nowNs) {
        if (live.containsKey(requestId)) {
            throw EngineException.inUse(requestId, "its blocks are lent");
        }
        long first = virtualIds.take(blockIds.length);
        var lease = new BlockLease(
                requestId, first, blockIds, nowNs + leaseTimeoutNs, new Reading(new ReleaseCounter(quorum)));
        live.put(requestId, lease);
        directory.add(lease);
        LOG.debug("request={} lease={} blocks={} lent", requestId, first, blockIds.length);
        return lease;
    }

    /** Ends a lease at once, if it lives. */
    public void cancel(String requestId) {
        BlockLease lease = live.get(requestId);
        if (lease != null) {
            end(lease, Reason.CANCELLED);
            wakeLoop.run();
        }
    }

    /**
     * The decode node has reported completion. Side-channel poller only.
     *
     * @param rank whose port got the message
     * @param announced messages that each rank's port will get for the request, as the sender says; empty when it does not
     * @param leaseId first virtual id of the lease, which only a reader of its ticket knows; foreign nodes have no field for it
     * @return whether there is such a lease
     */
    public boolean done(String requestId, int rank, Map<Integer, Integer> announced, OptionalLong leaseId) {
        BlockLease lease = directory.ofRequest(requestId);
        if (lease == null
                || !(lease.purpose() instanceof Reading reading)
                || (leaseId.isPresent() && leaseId.getAsLong() != lease.firstVirtualId())) {
            counters.increment(HandoffCounter.DONE_UNKNOWN);
            return false;
        }
        counters.increment(HandoffCounter.DONE_RECEIVED);
        if (reading.doneMessages().add(rank, announced)) {
            released.add(lease);
            wakeLoop.run();
        } else {
            LOG.debug("request={} done messages by rank: {}", requestId, reading.doneMessages());
        }
        return true;
    }

    /** The last access of an ended lease was closed. Transfer threads. */
    public void quiesced(BlockLease lease) {
        quiet.add(lease);
        wakeLoop.run();
    }

    /** Ends what was released or is overdue, and tells which leases have no open access any more. */
    public void poll(long nowNs, List<HandoffEvent> events) {
        for (BlockLease lease = released.poll(); lease != null; lease = released.poll()) {
            end(lease, Reason.RELEASED);
        }
        while (!live.isEmpty() && live.firstEntry().getValue().deadlineNs() - nowNs <= 0) {
            BlockLease lease = live.firstEntry().getValue();
            LOG.warn(
                    "request={} lease={} blocks={} expired: no done message came within {} ms",
                    lease.requestId(),
                    lease.firstVirtualId(),
                    lease.blockIds().length,
                    leaseTimeoutNs / 1_000_000);
            end(lease, Reason.EXPIRED);
        }
        for (BlockLease lease = quiet.poll(); lease != null; lease = quiet.poll()) {
            Reason reason = ending.remove(lease);
            if (reason == null) {
                throw new IllegalStateException("lease " + lease.firstVirtualId() + " ended twice");
            }
            events.add(new LeaseEnded(lease.requestId(), lease.blockIds(), reason));
        }
    }

    /** The earliest deadline of a live lease, else Long.MAX_VALUE. */
    public long nextDeadlineNs() {
        return live.isEmpty() ? Long.MAX_VALUE : live.firstEntry().getValue().deadlineNs();
    }

    /** Leases that are live, or ended with an access still open. */
    public int leases() {
        return live.size() + ending.size();
    }

    /** Ends all leases. */
    public void cancelAll() {
        for (BlockLease lease : List.copyOf(live.values())) {
            end(lease, Reason.CANCELLED);
        }
    }

    private void end(BlockLease lease, Reason reason) {
        if (!live.remove(lease.requestId(), lease)) {
            return; // released after it had expired or was cancelled
        }
        directory.remove(lease);
        ending.put(lease, reason);
        if (lease.end()) {
            quiet.add(lease);
        }
    }
}
