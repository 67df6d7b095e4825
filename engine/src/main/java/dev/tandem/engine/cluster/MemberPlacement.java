package dev.tandem.engine.cluster;

import dev.tandem.parallel.Shard;

/**
 * The place of one process in its deployment.
 *
 * @param ranks its data-parallel ranks, numbered over the deployment
 * @param host where other processes reach it
 * @param expertPort where it takes rows for its experts; 0 when it takes none
 */
public record MemberPlacement(Shard ranks, String host, int expertPort) {
    static final int MAX_HOST_BYTES = 256;

    /** As in {@code ranks 16..31 on 127.0.1.4}. */
    @Override
    public String toString() {
        return describe(ranks) + " on " + host;
    }

    /** As in {@code data-parallel ranks 16..31}. */
    static String describe(Shard ranks) {
        return ranks.size() == 1
                ? "data-parallel rank " + ranks.from()
                : "data-parallel ranks " + ranks.from() + ".." + (ranks.to() - 1);
    }

    boolean overlaps(MemberPlacement other) {
        return ranks.from() < other.ranks.to() && other.ranks.from() < ranks.to();
    }
}
