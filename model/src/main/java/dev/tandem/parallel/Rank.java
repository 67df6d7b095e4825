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
}
