package dev.tandem.kernel.vector;

import dev.tandem.kernel.KernelThreads;

/**
 * Where the vector kernels of one rank work: its threads, and the scratch memory of each slice, so that an operation allocates nothing in a
 * step. Owned by the rank worker; while a loop runs, the thread of a slice owns the slice's scratch.
 */
final class VectorWorkspace {
    private final KernelThreads threads;
    private final SliceScratch[] scratch;

    VectorWorkspace(KernelThreads threads) {
        this.threads = threads;
        this.scratch = new SliceScratch[threads.count()];
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] = new SliceScratch();
        }
    }

    /** Threads that work on a loop, which are the slices of a loop. */
    int count() {
        return scratch.length;
    }

    /** Runs a loop as {@link KernelThreads#run} does. */
    void run(KernelThreads.Slice slice) {
        threads.run(slice);
    }

    /** For a slice between two claims: throws when the loop is to end. */
    void check() {
        threads.check();
    }

    /** For the thread that runs that slice. */
    SliceScratch scratch(int slice) {
        return scratch[slice];
    }
}
