package dev.tandem.engine.schedule;

/**
 * Bounds of one step and of the queue before it, as the flags say.
 *
 * @param batchedTokens {@code --max-num-batched-tokens}: rows of one step
 * @param sequences {@code --max-num-seqs}: sequences running at once
 * @param waiting requests that may wait; one more is refused with OVERLOADED
 * @param isPrefillChunked {@code --enable-chunked-prefill}: long prompts may be cut over several steps
 */
public record BatchLimits(int batchedTokens, int sequences, int waiting, boolean isPrefillChunked) {
    /** @throws IllegalArgumentException naming the flag and both values, when a limit is out of range or contradicts another */
    public BatchLimits {
        if (sequences < 1 || waiting < 1) {
            throw new IllegalArgumentException(
                    "--max-num-seqs " + sequences + " and " + waiting + " requests that may wait must be at least 1");
        }
        if (batchedTokens < sequences) {
            throw new IllegalArgumentException("--max-num-batched-tokens " + batchedTokens + " is below --max-num-seqs "
                    + sequences + "; a step must hold a token of every sequence");
        }
    }

    /**
     * As vLLM: a prompt that is not cut must fit one step.
     *
     * @param maxModelLength longest prompt plus output, tokens
     * @throws IllegalArgumentException naming both values when it does not
     */
    public void requireWholePrompts(int maxModelLength) {
        if (!isPrefillChunked && batchedTokens < maxModelLength) {
            throw new IllegalArgumentException("--max-num-batched-tokens " + batchedTokens
                    + " with --no-enable-chunked-prefill is below the longest sequence of " + maxModelLength
                    + " (--max-model-len); raise the one, lower the other, or let prompts be cut");
        }
    }
}
