package dev.tandem.layer;

import dev.tandem.kernel.LinearWeight;
import java.util.Optional;

/**
 * Weights of an attention layer, as in the checkpoint, not cut.
 *
 * @param query [heads * headDim, hidden]
 * @param key [kvHeads * headDim, hidden]
 * @param value [kvHeads * headDim, hidden]
 * @param output [hidden, heads * headDim]
 * @param headNorms norms of query and key heads before the rotary embedding (Qwen3)
 */
public record AttentionWeights(
        LinearWeight query, LinearWeight key, LinearWeight value, LinearWeight output, Optional<HeadNorms> headNorms) {
    /**
     * @param query on every query head
     * @param key on every key head
     */
    public record HeadNorms(RmsNorm query, RmsNorm key) {}
}
