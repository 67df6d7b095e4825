package dev.tandem.engine.handoff.runtime;

import java.util.function.Supplier;

/** Sums KV memory beside the engine loop and the pollers, one prompt after the other: on a {@link SumThread}, or in a simulation. Any thread asks. */
public interface Sums extends AutoCloseable {
    /** Hears what became of a sum; must not throw. */
    interface Outcome<T> {
        void summed(T sums);

        void failed(RuntimeException cause);
    }

    /**
     * Sums soon, and then tells.
     *
     * @return false when too many wait, or after {@link #close}; then nothing is told
     */
    <T> boolean offer(Supplier<T> sums, Outcome<T> outcome);

    /**
     * Drops what waits and returns when no memory is read any more.
     *
     * @throws IllegalStateException when that takes too long; then the memory must stay
     */
    @Override
    void close();
}
