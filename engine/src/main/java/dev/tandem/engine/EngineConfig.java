package dev.tandem.engine;

import dev.tandem.engine.handoff.HandoffConfig;
import java.util.Optional;

/**
 * Settings of one engine.
 *
 * @param maxModelLength longest prompt plus output, tokens
 * @param limits bounds of a step and of the queue
 * @param cachesPrefixes blocks of finished prompts are kept and found again
 * @param seed base of the seeds drawn for requests without one
 * @param handoff present on nodes that take part in a prefill/decode exchange
 */
public record EngineConfig(
        int maxModelLength, Limits limits, boolean cachesPrefixes, long seed, Optional<HandoffConfig> handoff) {
    /**
     * @param batchedTokens {@code --max-num-batched-tokens}: rows of one step
     * @param sequences {@code --max-num-seqs}: sequences running at once
     * @param waiting requests that may wait; one more is refused with OVERLOADED
     * @param isPrefillChunked long prompts may be cut over several steps
     */
    public record Limits(int batchedTokens, int sequences, int waiting, boolean isPrefillChunked) {}
}
