package dev.tandem.engine.handoff.lease;

import dev.tandem.engine.request.EngineException;
import java.util.random.RandomGenerator;

/**
 * Gives each lease a fresh run of virtual block ids, at a place that nobody can predict: who knows one lease knows nothing of the next. On
 * both sides of a run an id stays unused, so that a reader that runs over the end of its lease is refused even while another one lives
 * there, and the ids of the leases that ended last ({@link LeaseDirectory#MAX_ENDED}) are left alone: their readers may be late. Owned by
 * the engine loop.
 */
public final class VirtualIds {
    private static final int MAX_DRAWS = 64; // the third one is rare even when a millionth of the ids is taken

    private final long count;
    private final RandomGenerator random;
    private final LeaseDirectory directory;

    /**
     * @param count ids are 0..count-1
     * @param random that nobody can predict, but in tests
     */
    public VirtualIds(long count, RandomGenerator random, LeaseDirectory directory) {
        this.count = count;
        this.random = random;
        this.directory = directory;
    }

    /** The leases that hold ids. */
    public LeaseDirectory directory() {
        return directory;
    }

    /**
     * The first of {@code blocks} consecutive fresh ids.
     *
     * @throws EngineException OVERLOADED when no room is found
     */
    public long take(int blocks) {
        if (blocks < 1 || blocks > count / 2) {
            throw new IllegalArgumentException(blocks + " blocks of " + count + " virtual ids");
        }
        for (int draw = 0; draw < MAX_DRAWS; draw++) {
            long first = random.nextLong(count - blocks + 1);
            if (directory.isFree(first - 1, first + blocks)) {
                return first;
            }
        }
        throw new EngineException(
                EngineException.Kind.OVERLOADED,
                "no " + blocks + " consecutive virtual block ids of " + count + " are free");
    }
}
