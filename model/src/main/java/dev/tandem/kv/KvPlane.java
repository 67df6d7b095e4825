package dev.tandem.kv;

import dev.tandem.kernel.DType;

/**
 * One kind of cached value of one layer, as held by one rank.
 *
 * @param name {@code k.3}, {@code v.3}, or {@code latent.3}, {@code k_rope.3}, {@code index.k.3}: the layer's index follows the last dot
 * @param dtype stored type
 * @param heads heads on this rank; 1 for planes without heads
 * @param headDim values per token and head
 * @param firstHead index of this rank's first head among the model's heads
 * @param modelHeads heads of the whole model; a plane is replicated when every rank holds all of them
 */
public record KvPlane(String name, DType dtype, int heads, int headDim, int firstHead, int modelHeads) {
    /** Bytes of one token, all heads of this rank. */
    public long tokenBytes() {
        return dtype.bytes((long) heads * headDim);
    }

    /** The decoder layer that writes the plane. */
    public int layer() {
        return Integer.parseInt(name.substring(name.lastIndexOf('.') + 1));
    }
}
