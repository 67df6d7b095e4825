package dev.tandem.engine.sample;

import dev.tandem.engine.request.SamplingOptions.Penalties;
import java.util.Map;

/**
 * Bias and penalties on a copy of one row of logits, in vLLM V1's order: mask, bias, repetition, frequency, presence. Owned by the engine
 * loop.
 */
final class LogitAdjuster {
    private final int[] counts; // [vocabulary]: occurrences of a token; zero between calls

    LogitAdjuster(int vocabularySize) {
        this.counts = new int[vocabularySize];
    }

    /** {@code x[t] = -inf}: the token cannot be chosen. */
    static void mask(float[] logits, Iterable<Integer> tokenIds) {
        for (int id : tokenIds) {
            if (id < logits.length) {
                logits[id] = Float.NEGATIVE_INFINITY;
            }
        }
    }

    /** {@code x[t] += bias[t]}. */
    static void addBias(float[] logits, Map<Integer, Float> bias) {
        bias.forEach((id, value) -> logits[id] += value);
    }

    /**
     * Repetition over prompt and output, {@code x > 0 ? x / r : x * r}; then over output only {@code x -= frequency * count} and {@code x
     * -= presence * [count > 0]}.
     *
     * @param tokens prompt, then output
     */
    void penalise(float[] logits, int[] tokens, int promptTokens, int tokenCount, Penalties penalties) {
        if (penalties.repetition() != 1) {
            for (int i = 0; i < tokenCount; i++) {
                int id = tokens[i];
                if (counts[id]++ == 0) {
                    float x = logits[id];
                    logits[id] = x > 0 ? x / penalties.repetition() : x * penalties.repetition();
                }
            }
            clear(tokens, 0, tokenCount);
        }
        if (penalties.frequency() != 0 || penalties.presence() != 0) {
            for (int i = promptTokens; i < tokenCount; i++) {
                counts[tokens[i]]++;
            }
            for (int i = promptTokens; i < tokenCount; i++) {
                int id = tokens[i];
                if (counts[id] > 0) {
                    logits[id] -= penalties.frequency() * counts[id];
                    logits[id] -= penalties.presence();
                    counts[id] = 0;
                }
            }
        }
    }

    private void clear(int[] tokens, int from, int to) {
        for (int i = from; i < to; i++) {
            counts[tokens[i]] = 0;
        }
    }
}
