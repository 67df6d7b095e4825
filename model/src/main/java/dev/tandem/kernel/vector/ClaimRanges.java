package dev.tandem.kernel.vector;

import dev.tandem.kernel.KernelThreads;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * The claims 0..n-1 of one loop, a range of neighbours for each slice: a slice reads consecutive memory, and no two threads fight for one
 * counter. A slice that has finished its own range takes from the others', so that a thread that is held up does not hold up the rest.
 * Reset by the rank worker before the loop; slices take at the same time.
 */
final class ClaimRanges {
    /** Counters of two slices share no cache line, nor neighbouring lines, which are fetched together: 128 bytes. */
    private static final int STRIDE = 32;

    private final int slices;

    /** The next claim of slice s at {@code s * STRIDE}; atomic because slices take from each other. */
    private final AtomicIntegerArray next;

    private int count;

    /** @param slices of every loop, at least 1 */
    ClaimRanges(int slices) {
        this.slices = slices;
        this.next = new AtomicIntegerArray(slices * STRIDE);
    }

    /** Offers claims 0..count-1. */
    void reset(int count) {
        this.count = count;
        for (int slice = 0; slice < slices; slice++) {
            next.setPlain(
                    slice * STRIDE,
                    KernelThreads.firstOf(count, slice, slices)); // the beginning of the loop publishes it
        }
    }

    /** A claim for that slice, or -1 when none is left. */
    int take(int slice) {
        for (int i = 0; i < slices; i++) {
            int owner = (slice + i) % slices;
            int end = KernelThreads.firstOf(count, owner + 1, slices);
            int at = owner * STRIDE;
            if (next.get(at) < end) { // an exhausted range is only read: its counter stays where it is
                int claim = next.getAndIncrement(at);
                if (claim < end) {
                    return claim;
                }
            }
        }
        return -1;
    }
}
