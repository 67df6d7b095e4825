package dev.tandem.layer;

import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Tensor;

/**
 * Weights of a latent attention layer, as in the checkpoint, not cut.
 *
 * @param query down [queryRank, hidden], up [heads * (plain + rotary), queryRank]
 * @param keyValue down [latent + rotary, hidden], whose last rows make the rotary key; the norm is on the latent only
 * @param keyValueUp [heads * (plain + value), latent], of each head first what makes a key, then what makes a
 *     value; never int8, since its columns are inputs as well as outputs
 * @param output [hidden, heads * value]
 */
public record LatentWeights(Bottleneck query, Down keyValue, Tensor keyValueUp, LinearWeight output) {
    /**
     * A projection to few values and their norm.
     *
     * @param weight [few, hidden]
     */
    public record Down(LinearWeight weight, RmsNorm norm) {}

    /**
     * A projection by way of few values.
     *
     * @param up [many, few]
     */
    public record Bottleneck(Down down, LinearWeight up) {}
}
