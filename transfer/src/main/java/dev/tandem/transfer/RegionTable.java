package dev.tandem.transfer;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Every region that peers may touch, by address. Addresses are unsigned. The poller looks up while other threads register: the table is an
 * immutable sorted array that is replaced as a whole.
 */
public final class RegionTable {
    private static final Duration OVERDUE_LIMIT = Duration.ofSeconds(10);

    private final Duration overdueLimit;
    // Replaced under this object's lock, read without it.
    private volatile Entry[] entries = new Entry[0];

    public RegionTable() {
        this(OVERDUE_LIMIT);
    }

    /** @param overdueLimit how long whoever holds an access may take to let go once it is asked to */
    RegionTable(Duration overdueLimit) {
        this.overdueLimit = overdueLimit;
    }

    /** @throws IllegalArgumentException address or length 0, past the end of addresses, or overlapping another region */
    public synchronized void add(Region region) {
        long address = region.address();
        long length = region.length();
        if (address == 0 || length <= 0 || Long.compareUnsigned(address + length - 1, address) < 0) {
            throw new IllegalArgumentException(
                    "region of " + length + " bytes at " + Long.toUnsignedString(address) + " cannot be registered");
        }
        Entry[] old = entries;
        int below = floor(old, address + length - 1);
        if (below >= 0 && Long.compareUnsigned(old[below].last, address) >= 0) {
            throw new IllegalArgumentException("region of " + length + " bytes at " + Long.toUnsignedString(address)
                    + " overlaps one of " + old[below].region.length() + " bytes at "
                    + Long.toUnsignedString(old[below].region.address()));
        }
        Entry[] grown = new Entry[old.length + 1];
        System.arraycopy(old, 0, grown, 0, below + 1);
        grown[below + 1] = new Entry(region);
        System.arraycopy(old, below + 1, grown, below + 2, old.length - below - 1);
        entries = grown;
    }

    /**
     * Refuses new accesses, then waits for the open ones.
     *
     * @param graceNs how long before {@code overdue} is called, once, to make whoever holds one let go
     * @throws IllegalStateException when somebody holds one long after that: the memory must stay
     */
    public void remove(Region region, long graceNs, Runnable overdue) {
        Entry entry = take(region);
        entry.close(graceNs, overdue, overdueLimit);
    }

    /** Whether an access was opened in a region. */
    @SuppressWarnings("ReferenceEquality") // a region is itself, whatever another says to equal it
    static boolean isInside(Region.Access access, Region region) {
        return access instanceof Counted counted && counted.entry.region == region;
    }

    /**
     * Opens a range that lies inside one region.
     *
     * @throws TransferException REJECTED if it does not, or the region refuses
     */
    public Region.Access open(long address, long length, Region.Operation operation, String party) {
        Entry entry = holding(address, length);
        if (entry == null) {
            throw outside(address, length);
        }
        return entry.open(address, length, operation, party);
    }

    /** Whether a range that was refused is, or was, lent to somebody; see {@link Region#wasOpen}. */
    boolean wasOpen(long address, long length) {
        Entry entry = holding(address, length);
        return entry != null && entry.region.wasOpen(address, length);
    }

    private @Nullable Entry holding(long address, long length) {
        Entry[] now = entries;
        int below = floor(now, address);
        if (length <= 0 || below < 0) {
            return null;
        }
        Entry entry = now[below];
        long last = address + length - 1;
        return Long.compareUnsigned(last, address) < 0 || Long.compareUnsigned(last, entry.last) > 0 ? null : entry;
    }

    List<Region> regions() {
        List<Region> all = new ArrayList<>();
        for (Entry entry : entries) {
            all.add(entry.region);
        }
        return all;
    }

    @SuppressWarnings("ReferenceEquality") // a region is itself, whatever another says to equal it
    private synchronized Entry take(Region region) {
        Entry[] old = entries;
        for (int i = 0; i < old.length; i++) {
            if (old[i].region == region) {
                Entry[] shrunk = new Entry[old.length - 1];
                System.arraycopy(old, 0, shrunk, 0, i);
                System.arraycopy(old, i + 1, shrunk, i, shrunk.length - i);
                entries = shrunk;
                return old[i];
            }
        }
        throw new IllegalArgumentException(
                "region at " + Long.toUnsignedString(region.address()) + " is not registered");
    }

    /** The last entry that begins at or below an address, or -1. */
    private static int floor(Entry[] entries, long address) {
        int low = 0;
        int high = entries.length;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (Long.compareUnsigned(entries[middle].region.address(), address) <= 0) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low - 1;
    }

    private static TransferException outside(long address, long length) {
        return new TransferException(
                TransferException.Kind.REJECTED,
                "range " + Long.toUnsignedString(address) + "+" + Long.toUnsignedString(length)
                        + " is not inside one registered region");
    }

    /** A region with the accesses that are open through this table. Guarded by its own lock. */
    private static final class Entry {
        final Region region;
        final long last; // address of the last byte
        private int openCount;
        private boolean isClosing;

        Entry(Region region) {
            this.region = region;
            this.last = region.address() + region.length() - 1;
        }

        Region.Access open(long address, long length, Region.Operation operation, String party) {
            enter(address, length);
            try {
                return new Counted(this, region.open(address, length, operation, party));
            } catch (RuntimeException e) {
                leave();
                throw e;
            }
        }

        private synchronized void enter(long address, long length) {
            if (isClosing) {
                throw outside(address, length);
            }
            openCount++;
        }

        synchronized void leave() {
            openCount--;
            if (openCount == 0) {
                notifyAll();
            }
        }

        void close(long graceNs, Runnable overdue, Duration overdueLimit) {
            boolean isInterrupted = Thread.interrupted(); // memory in use cannot be given up
            isInterrupted |= awaitClosed(graceNs);
            if (openCount() > 0) {
                overdue.run();
                isInterrupted |= awaitClosed(overdueLimit.toNanos());
            }
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
            int left = openCount();
            if (left > 0) {
                throw new IllegalStateException("the region at " + Long.toUnsignedString(region.address())
                        + " is still in use: " + left + " accesses have not ended within " + overdueLimit);
            }
        }

        private synchronized int openCount() {
            return openCount;
        }

        /**
         * Waits for open accesses, at most so long.
         *
         * @return whether somebody interrupted the wait
         */
        private synchronized boolean awaitClosed(long limitNs) {
            isClosing = true;
            long endNs = System.nanoTime() + limitNs;
            boolean isInterrupted = false;
            while (openCount > 0) {
                long leftMillis = (endNs - System.nanoTime()) / 1_000_000 + 1;
                if (leftMillis <= 0) {
                    return isInterrupted;
                }
                try {
                    wait(leftMillis);
                } catch (InterruptedException e) {
                    isInterrupted = true;
                }
            }
            return isInterrupted;
        }
    }

    private record Counted(Entry entry, Region.Access access) implements Region.Access {
        @Override
        public int pieces() {
            return access.pieces();
        }

        @Override
        public MemorySegment piece(int index) {
            return access.piece(index);
        }

        @Override
        public void close() {
            access.close();
            entry.leave();
        }
    }
}
