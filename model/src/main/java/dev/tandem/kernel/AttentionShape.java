package dev.tandem.kernel;

/**
 * Heads of one attention call on this rank.
 *
 * @param queryHeads heads of the query, a multiple of {@code kvHeads}
 * @param kvHeads heads of the cache planes
 * @param headDim values of one head
 * @param scale factor on the finished dot product, usually headDim^-1/2
 */
public record AttentionShape(int queryHeads, int kvHeads, int headDim, float scale) {}
