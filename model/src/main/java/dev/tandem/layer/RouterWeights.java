package dev.tandem.layer;

import dev.tandem.kernel.Tensor;
import java.util.Optional;

/**
 * Weights of a router, whole on every rank.
 *
 * @param scores [experts, hidden]
 * @param correction [experts] added to scores for the choice only
 */
public record RouterWeights(Tensor scores, Optional<Tensor> correction) {}
