package dev.tandem.engine;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.schedule.BatchLimits;
import java.util.Optional;

/**
 * Settings of one engine, built by whoever reads them and passed down whole.
 *
 * @param maxModelLength {@code --max-model-len}: longest prompt plus output, tokens
 * @param limits bounds of a step and of the queue
 * @param cachesPrefixes {@code --enable-prefix-caching}: blocks of finished prompts are kept and found again
 * @param seed base of the seeds drawn for requests without one
 * @param handoff present on nodes that take part in a prefill/decode exchange
 */
public record EngineConfig(
        int maxModelLength, BatchLimits limits, boolean cachesPrefixes, long seed, Optional<HandoffConfig> handoff) {
    /** @throws IllegalArgumentException naming the flag and both values, when a setting is out of range or contradicts another */
    public EngineConfig {
        if (maxModelLength < 2) {
            throw new IllegalArgumentException("--max-model-len " + maxModelLength + " must be at least 2");
        }
        limits.requireWholePrompts(maxModelLength);
    }
}
