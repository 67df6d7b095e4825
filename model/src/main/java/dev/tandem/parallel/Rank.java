package dev.tandem.parallel;

/**
 * The place of one shard. Tensor-parallel ranks of one data-parallel replica share every sequence; experts are spread over all dp * tp
 * ranks when expert parallel is on.
 *
 * @param tp index in the tensor-parallel group, 0..tpSize-1
 * @param tpSize ranks of that group
 * @param dp index of the replica, 0..dpSize-1
 * @param dpSize replicas of the deployment
 */
public record Rank(int tp, int tpSize, int dp, int dpSize) {
    /** The one rank of a deployment without parallelism. */
    public static final Rank SINGLE = new Rank(0, 1, 0, 1);

    public Rank {
        if (tp < 0 || tp >= tpSize || dp < 0 || dp >= dpSize) {
            throw new IllegalArgumentException("rank tp " + tp + " of " + tpSize + ", dp " + dp + " of " + dpSize);
        }
    }

    /**
     * The consecutive part of {@code size} things that this rank of its tensor-parallel group owns.
     *
     * @throws IllegalArgumentException when the group's ranks cannot own equal parts; {@link Partition} tells beforehand which sizes can be
     */
    public Shard shard(int size) {
        if (size % tpSize != 0) {
            throw new IllegalArgumentException(size + " cannot be cut into " + tpSize + " equal parts");
        }
        int part = size / tpSize;
        return new Shard(tp * part, (tp + 1) * part);
    }

    /**
     * The heads of the KV cache that this rank holds. Where there are more ranks than heads, a head is held by all ranks whose
     * query heads read it.
     *
     * @throws IllegalArgumentException when neither number divides the other
     */
    public Shard shardOfKvHeads(int kvHeads) {
        if (tpSize <= kvHeads) {
            return shard(kvHeads);
        }
        if (tpSize % kvHeads != 0) {
            throw new IllegalArgumentException(kvHeads + " KV heads cannot be spread over " + tpSize + " ranks");
        }
        int head = tp / (tpSize / kvHeads);
        return new Shard(head, head + 1);
    }
}
