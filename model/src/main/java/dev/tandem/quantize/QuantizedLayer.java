package dev.tandem.quantize;

/**
 * One finished decoder layer.
 *
 * @param layer its index
 * @param layers how many there are
 * @param attention error of its attention's projections
 * @param feedForward error of its feed-forward's projections, all experts together
 */
public record QuantizedLayer(int layer, int layers, WeightError attention, WeightError feedForward) {}
