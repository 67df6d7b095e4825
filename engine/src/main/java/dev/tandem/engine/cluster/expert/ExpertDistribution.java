package dev.tandem.engine.cluster.expert;

/**
 * Which rank owns which expert: ranks own consecutive experts in rank order, the first ones one more than the others when the numbers do
 * not divide. With more ranks than experts the surplus owns none.
 *
 * @param experts of a layer
 * @param ranks of the deployment: data-parallel times tensor-parallel
 */
record ExpertDistribution(int experts, int ranks) {
    ExpertDistribution {
        if (experts < 1 || ranks < 1) {
            throw new IllegalArgumentException(experts + " experts over " + ranks + " ranks");
        }
    }

    /** The first expert that the rank owns, or would own; rank {@code ranks} gives the number of experts. */
    int firstOf(int rank) {
        int each = experts / ranks;
        return rank * each + Math.min(rank, experts % ranks);
    }

    /** Whether any of the ranks {@code [from, to)} owns an expert. */
    boolean areOwners(int from, int to) {
        return firstOf(from) < firstOf(to);
    }
}
