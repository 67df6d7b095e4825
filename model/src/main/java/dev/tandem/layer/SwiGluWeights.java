package dev.tandem.layer;

import dev.tandem.kernel.Tensor;

/**
 * The three matrices of {@code down(silu(gate x) · up x)}, as in the checkpoint, not cut; or stacks of them, one entry an expert.
 *
 * @param gate [inner, hidden]
 * @param up [inner, hidden]
 * @param down [hidden, inner]
 */
public record SwiGluWeights(Tensor gate, Tensor up, Tensor down) {
    /** The matrices of one expert of a stack. */
    public SwiGluWeights entry(int expert) {
        return new SwiGluWeights(gate.entry(expert), up.entry(expert), down.entry(expert));
    }
}
