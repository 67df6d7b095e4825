package dev.tandem.model;

/**
 * What scratch memory and tables of a model are sized for.
 *
 * @param maxRows rows that pass the layers together; a larger batch is run in several passes with the same results, so this is the
 *     size of a buffer, not a limit on batches
 * @param maxLogitRows rows of logits that one batch may ask for
 * @param maxModelLength tokens of the longest sequence
 */
public record StepLimits(int maxRows, int maxLogitRows, int maxModelLength) {
    public StepLimits {
        if (maxRows < 1 || maxLogitRows < 1 || maxModelLength < 1) {
            throw new IllegalArgumentException("max rows " + maxRows + ", max logit rows " + maxLogitRows
                    + " and max model length " + maxModelLength + " must be at least 1");
        }
    }
}
