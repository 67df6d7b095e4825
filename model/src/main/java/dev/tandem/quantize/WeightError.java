package dev.tandem.quantize;

/**
 * How far quantised weights are from those that they stand for.
 *
 * @param weights how many
 * @param rms root of the mean squared error over the root of the mean squared weight
 * @param largest largest error of a weight over the largest weight of its output; rounding alone gives at most 0.5 / 127 = 0.0039
 */
public record WeightError(long weights, double rms, double largest) {}
