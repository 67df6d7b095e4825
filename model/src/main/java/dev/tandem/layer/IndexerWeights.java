package dev.tandem.layer;

import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Tensor;

/**
 * Weights of a lightning indexer, as in the checkpoint; every rank uses all of them.
 *
 * @param query [heads * headDim, queryRank] from the latent of the query
 * @param key [headDim, hidden]
 * @param keyNorm [headDim] weight of the key's layer norm
 * @param keyNormBias [headDim]
 * @param headWeights [heads, hidden]
 */
public record IndexerWeights(
        LinearWeight query, LinearWeight key, Tensor keyNorm, Tensor keyNormBias, LinearWeight headWeights) {}
