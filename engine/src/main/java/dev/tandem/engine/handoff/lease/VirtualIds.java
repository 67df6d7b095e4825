package dev.tandem.engine.handoff.lease;

import dev.tandem.engine.request.EngineException;
import dev.tandem.kv.KvPool;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * Gives each lease a fresh run of virtual block ids, going round in a circle. Behind each run one id stays unused, so that a reader that runs
 * over the end of its lease is refused even while the next lease lives. An id comes back at the earliest {@code quietNs} after the
 * allocator last gave one in its quarter, or heard of the end of a lease there: leases that held it are long over. Owned by the engine loop.
 */
public final class VirtualIds {
    private static final int QUARTERS = 4;
    private static final long NEVER = Long.MIN_VALUE;

    private final int count;
    private final long quietNs;
    private final LeaseDirectory directory;
    private final long[] leftNs = new long[QUARTERS]; // when a quarter was last given from
    private int next;
    private int currentQuarter; // of the id given last

    /**
     * @param count ids are 0..count-1
     * @param start the first id to give: random, so that a ticket of an earlier life of this process is unlikely to name a live lease
     */
    public VirtualIds(int count, int start, long quietNs, LeaseDirectory directory) {
        if (count < QUARTERS || start < 0 || start >= count) {
            throw new IllegalArgumentException("start " + start + " of " + count + " virtual ids");
        }
        this.count = count;
        this.next = start;
        this.currentQuarter = (int) ((long) start * QUARTERS / count);
        this.quietNs = quietNs;
        this.directory = directory;
        Arrays.fill(leftNs, NEVER);
    }

    /**
     * The ids of one life of an engine.
     *
     * @param leaseTimeout how long a lease lives
     * @param fetchTimeout how long a read of its blocks may take
     */
    public static VirtualIds forPools(
            List<KvPool> pools, Duration leaseTimeout, Duration fetchTimeout, LeaseDirectory directory) {
        int count = LeasedRegion.idCount(pools);
        long quietNs = 2 * Math.max(leaseTimeout.toNanos(), fetchTimeout.toNanos());
        return new VirtualIds(count, new SecureRandom().nextInt(count), quietNs, directory);
    }

    /**
     * A lease that may have lived longer than ids rest has ended: its ids stay unused from now on.
     *
     * @param first of its ids
     * @param after the id after its last one
     */
    public void rest(int first, int after, long nowNs) {
        for (int quarter = quarter(first); quarter <= quarter(after - 1); quarter++) {
            leftNs[quarter] = nowNs;
        }
    }

    /**
     * The first of {@code blocks} consecutive fresh ids.
     *
     * @throws EngineException OVERLOADED when ids would come back too early
     */
    public int take(int blocks, long nowNs) {
        int first = firstFree(blocks);
        int after = first + blocks;
        for (int quarter = quarter(first); quarter <= quarter(after - 1); quarter++) {
            if (quarter != currentQuarter && leftNs[quarter] != NEVER && nowNs - leftNs[quarter] < quietNs) {
                throw new EngineException(
                        EngineException.Kind.OVERLOADED,
                        "virtual block ids run out: " + blocks
                                + " blocks would reuse ids of leases that ended less than " + quietNs / 1_000_000
                                + " ms ago");
            }
            leftNs[quarter] = nowNs;
        }
        currentQuarter = quarter(after - 1);
        next = after + 1 < count ? after + 1 : 0;
        return first;
    }

    private int firstFree(int blocks) {
        if (blocks < 1 || blocks > count / QUARTERS) {
            throw new IllegalArgumentException(blocks + " blocks of " + count + " virtual ids");
        }
        int candidate = next;
        for (int laps = 0; laps < 2; ) {
            if (candidate > count - blocks) {
                candidate = 0;
                laps++;
                continue;
            }
            BlockLease obstacle = directory.touching(candidate, candidate + blocks);
            if (obstacle == null) {
                return candidate;
            }
            candidate = obstacle.endVirtualId() + 1;
        }
        throw new EngineException(
                EngineException.Kind.OVERLOADED,
                "no " + blocks + " consecutive virtual block ids of " + count + " are free");
    }

    private int quarter(int id) {
        return (int) ((long) id * QUARTERS / count);
    }
}
