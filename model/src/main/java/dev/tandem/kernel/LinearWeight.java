package dev.tandem.kernel;

/**
 * What a linear layer multiplies by: [outputs, inputs], either a tensor whose stored values are widened to float32, or int8 values with
 * scales. Layers hold it without knowing which. Immutable; views share the memory.
 */
public sealed interface LinearWeight permits Tensor, Int8Weight {
    /** Outputs. */
    int rows();

    /** Inputs: values of one row of activations. */
    int columns();

    /** A view of outputs {@code from} (inclusive) to {@code to} (exclusive), with everything that belongs to them. */
    LinearWeight slice(int from, int to);
}
