package dev.tandem.layer;

import dev.tandem.kernel.LinearWeight;

/**
 * The three matrices of {@code down(silu(gate x) · up x)}, as in the checkpoint, not cut.
 *
 * @param gate [inner, hidden]
 * @param up [inner, hidden]
 * @param down [hidden, inner]
 */
public record SwiGluWeights(LinearWeight gate, LinearWeight up, LinearWeight down) {}
