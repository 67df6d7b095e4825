package dev.tandem.engine.handoff.lease;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Region;
import dev.tandem.transfer.TransferException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * One plane of a pool as peers see it: virtual block v at {@code address + v * blockBytes}, translated to its physical block while a
 * lease holds v. A range must lie inside one live lease, and be read or written as the lease says, by a party of the lease; anything else is
 * refused. Thread-safe;
 * opened by transfer threads.
 *
 * <pre>
 *   address                                                      address + idCount * blockBytes
 *   | ...... | lease A: v v+1 v+2 | unused | lease B: v' v'+1 | ................ |
 *                 |   |   |                     physical blocks anywhere in the plane
 * </pre>
 */
public final class LeasedRegion implements Region {
    private final long address;
    private final long blockBytes;
    private final long idCount;
    private final MemorySegment plane; // [blocks, blockBytes]
    private final LeaseDirectory directory;
    private final Counters<HandoffCounter> counters;
    private final Consumer<BlockLease> quiesced;

    private LeasedRegion(
            long address,
            long blockBytes,
            long idCount,
            MemorySegment plane,
            LeaseDirectory directory,
            Counters<HandoffCounter> counters,
            Consumer<BlockLease> quiesced) {
        this.address = address;
        this.blockBytes = blockBytes;
        this.idCount = idCount;
        this.plane = plane;
        this.directory = directory;
        this.counters = counters;
        this.quiesced = quiesced;
    }

    /**
     * A region per plane, in plane order.
     *
     * @param leastAddress of the first plane
     * @param directory of the leases that open it
     * @param quiesced called by the thread that closed the last access of an ended lease
     */
    public static List<LeasedRegion> over(
            KvPool pool,
            AddressSpace space,
            long leastAddress,
            LeaseDirectory directory,
            Counters<HandoffCounter> counters,
            Consumer<BlockLease> quiesced) {
        List<Long> addresses = space.planeAddresses(pool.layout(), leastAddress);
        var regions = new ArrayList<LeasedRegion>();
        for (int plane = 0; plane < addresses.size(); plane++) {
            regions.add(new LeasedRegion(
                    addresses.get(plane),
                    pool.layout().blockBytes(plane),
                    space.idCount(),
                    pool.plane(plane).data(),
                    directory,
                    counters,
                    quiesced));
        }
        return regions;
    }

    @Override
    public long address() {
        return address;
    }

    @Override
    public long length() {
        return blockBytes * idCount;
    }

    @Override
    public Access open(long from, long bytes, Operation operation, String party) {
        if (!holds(from, bytes)) {
            throw refused(from, bytes, "the range leaves the region");
        }
        long first = (from - address) / blockBytes;
        long last = (from - address + bytes - 1) / blockBytes;
        BlockLease lease = directory.holding(first, last);
        if (lease != null && lease.allows(operation) && !lease.admits(party)) {
            counters.increment(HandoffCounter.PARTIES_REFUSED);
            throw refused(from, bytes, "the lease is another host's than " + party);
        }
        if (lease == null || !lease.allows(operation) || !lease.tryOpen()) {
            throw refused(
                    from,
                    bytes,
                    "virtual blocks " + first + " to " + last + " are not lent for " + operation + ", or no more");
        }
        try {
            return new LeasedAccess(lease, pieces(lease, from - address, bytes));
        } catch (RuntimeException | Error e) {
            leave(lease);
            throw e;
        }
    }

    @Override
    public boolean wasOpen(long from, long bytes) {
        return holds(from, bytes)
                && directory.knew((from - address) / blockBytes, (from - address + bytes - 1) / blockBytes);
    }

    private boolean holds(long from, long bytes) {
        return bytes >= 1 && from >= address && from - address <= length() - bytes;
    }

    /** Pairs (offset in the plane, bytes), physical neighbours joined. */
    private long[] pieces(BlockLease lease, long from, long bytes) {
        long first = from / blockBytes;
        long last = (from + bytes - 1) / blockBytes;
        long[] pieces = new long[Math.toIntExact(2 * (last - first + 1))];
        int used = 0;
        long position = from;
        for (long virtualId = first; virtualId <= last; virtualId++) {
            long within = position - virtualId * blockBytes;
            long length = Math.min(blockBytes - within, from + bytes - position);
            long offset = lease.physicalBlock(virtualId) * blockBytes + within;
            if (used > 0 && pieces[used - 2] + pieces[used - 1] == offset) {
                pieces[used - 1] += length;
            } else {
                pieces[used] = offset;
                pieces[used + 1] = length;
                used += 2;
            }
            position += length;
        }
        return Arrays.copyOf(pieces, used);
    }

    private void leave(BlockLease lease) {
        if (lease.closeOne()) {
            quiesced.accept(lease);
        }
    }

    private TransferException refused(long from, long bytes, String why) {
        counters.increment(HandoffCounter.READS_REFUSED);
        return new TransferException(
                TransferException.Kind.REJECTED,
                bytes + " bytes at 0x" + Long.toHexString(from) + " of the plane at 0x" + Long.toHexString(address)
                        + ": " + why);
    }

    /** Physical pieces of one opened range. */
    private final class LeasedAccess implements Access {
        private final BlockLease lease;
        private final long[] pieces; // [pieces, (offset, bytes)]
        private final AtomicBoolean isClosed = new AtomicBoolean(); // closing twice must not count twice

        LeasedAccess(BlockLease lease, long[] pieces) {
            this.lease = lease;
            this.pieces = pieces;
        }

        @Override
        public int pieces() {
            return pieces.length / 2;
        }

        @Override
        public MemorySegment piece(int index) {
            return plane.asSlice(pieces[2 * index], pieces[2 * index + 1]);
        }

        @Override
        public void close() {
            if (isClosed.compareAndSet(false, true)) {
                leave(lease);
            }
        }
    }
}
