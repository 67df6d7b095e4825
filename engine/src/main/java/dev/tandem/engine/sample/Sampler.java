package dev.tandem.engine.sample;

import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.kernel.Matrix;
import java.util.List;
import java.util.Optional;

/**
 * Chooses the next token of a sequence. Order and formulas of vLLM V1: end tokens masked before {@code min_tokens}, logit bias,
 * repetition, frequency, presence, temperature, min-p, top-k, top-p. Temperature 0 takes the largest logit, the lowest id among
 * equals. The choice is a pure function of logits, options, tokens so far, seed and position. Owned by the engine loop.
 */
public final class Sampler {
    /** Below this vLLM takes a temperature for 0. */
    private static final float SMALLEST_TEMPERATURE = 1e-5f;

    private final List<Integer> endTokenIds;
    private final float[] scratch; // [vocabulary]
    private final LogitAdjuster adjuster;
    private final TokenFilter filter;

    /** @param endTokenIds the model's own end tokens */
    public Sampler(int vocabularySize, List<Integer> endTokenIds) {
        this.endTokenIds = List.copyOf(endTokenIds);
        this.scratch = new float[vocabularySize];
        this.adjuster = new LogitAdjuster(vocabularySize);
        this.filter = new TokenFilter(vocabularySize);
    }

    /**
     * Chooses from one row of logits.
     *
     * @param logits [rows, vocabulary]; not changed
     * @throws ArithmeticException when no logit is a number
     */
    public Token sample(Matrix logits, int row, Sequence sequence) {
        SamplingOptions options = sequence.request().sampling();
        int from = logits.offset(row);
        int id = choose(logits.values(), from, sequence, options);
        return options.topLogprobs().isEmpty()
                ? new Token(id, Optional.empty())
                : new Token(
                        id,
                        Optional.of(LogprobReport.of(
                                logits.values(),
                                from,
                                scratch.length,
                                id,
                                options.topLogprobs().getAsInt())));
    }

    private int choose(float[] values, int from, Sequence sequence, SamplingOptions options) {
        boolean isGreedy = options.filters().temperature() < SMALLEST_TEMPERATURE;
        boolean isMasked = sequence.outputTokens() < options.minTokens();
        boolean isPlain = !isMasked
                && options.logitBias().isEmpty()
                && options.penalties().equals(Penalties.NONE);
        if (isGreedy && isPlain) {
            return largest(values, from);
        }
        System.arraycopy(values, from, scratch, 0, scratch.length);
        if (isMasked) {
            maskEnds(options);
        }
        adjust(sequence, options);
        int best = largest(scratch, 0);
        return isGreedy ? best : draw(best, sequence, options.filters());
    }

    private void maskEnds(SamplingOptions options) {
        if (!options.stop().ignoresEndOfText()) {
            LogitAdjuster.mask(scratch, endTokenIds);
        }
        LogitAdjuster.mask(scratch, options.stop().tokenIds());
    }

    private void adjust(Sequence sequence, SamplingOptions options) {
        LogitAdjuster.addBias(scratch, options.logitBias());
        adjuster.penalise(
                scratch, sequence.tokens(), sequence.promptTokens(), sequence.tokenCount(), options.penalties());
    }

    private int draw(int best, Sequence sequence, Filters filters) {
        for (int i = 0; i < scratch.length; i++) {
            scratch[i] /= filters.temperature();
        }
        filter.apply(scratch, best, filters);
        return filter.draw(PositionRandom.uniform(sequence.admission().seed(), sequence.outputTokens()));
    }

    private int largest(float[] values, int from) {
        int best = -1;
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < scratch.length; i++) {
            if (values[from + i] > max) {
                max = values[from + i];
                best = i;
            }
        }
        if (best < 0) {
            throw new ArithmeticException("none of " + scratch.length + " logits can be chosen");
        }
        return best;
    }
}
