package dev.tandem.engine.cluster;

/**
 * How a deployment spreads its model and requests over ranks; the same for all its processes.
 *
 * @param dpSize data-parallel ranks of all processes
 * @param hasExpertParallel experts are spread over all dp * tp ranks
 * @param isBalancedByHead the head gives requests to the ranks of other processes; otherwise each process has its own address for clients
 * @param tpSize tensor-parallel ranks of each data-parallel rank
 */
public record ParallelLayout(int dpSize, boolean hasExpertParallel, boolean isBalancedByHead, int tpSize) {
    /** Most data-parallel ranks, and most tensor-parallel ranks of one. */
    public static final int MAX_SIZE = 1 << 14;

    public ParallelLayout {
        if (dpSize < 1 || dpSize > MAX_SIZE || tpSize < 1 || tpSize > MAX_SIZE) {
            throw new IllegalArgumentException("data parallel size " + dpSize + " and tensor parallel size " + tpSize
                    + " must be 1 to " + MAX_SIZE);
        }
    }
}
