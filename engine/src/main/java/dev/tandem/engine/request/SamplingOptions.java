package dev.tandem.engine.request;

import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;

/**
 * How tokens are chosen and when to stop; order and formulas of vLLM V1.
 *
 * @param maxTokens most tokens to generate, at least 1; already bounded by the model length
 * @param minTokens end tokens and stop ids are not chosen before this many
 * @param filters temperature and truncation
 * @param penalties on tokens already seen
 * @param logitBias added to a token's logit, -100..100
 * @param seed makes the choice at each position a function of (seed, position); a fresh one is drawn when empty
 * @param stop what ends the text
 * @param topLogprobs alternatives to report for each token: empty for no logprobs at all, 0 for the chosen token only
 */
public record SamplingOptions(
        int maxTokens,
        int minTokens,
        Filters filters,
        Penalties penalties,
        Map<Integer, Float> logitBias,
        OptionalLong seed,
        Stop stop,
        OptionalInt topLogprobs) {
    public SamplingOptions {
        logitBias = Map.copyOf(logitBias);
    }

    /**
     * @param temperature 0 for greedy
     * @param topP 1 for off
     * @param topK 0 for off
     * @param minP 0 for off
     */
    public record Filters(float temperature, float topP, int topK, float minP) {
        public static final Filters GREEDY = new Filters(0, 1, 0, 0);
    }

    /** @param repetition 1 for off; presence and frequency 0 for off */
    public record Penalties(float repetition, float presence, float frequency) {
        public static final Penalties NONE = new Penalties(1, 0, 0);
    }

    /**
     * Stop strings are found by whoever turns tokens into text (the node); it then cancels the stream.
     *
     * @param tokenIds ids that end the generation besides the model's own end tokens
     * @param ignoresEndOfText the model's end tokens do not end the generation
     */
    public record Stop(Set<Integer> tokenIds, boolean ignoresEndOfText) {
        public Stop {
            tokenIds = Set.copyOf(tokenIds);
        }
    }

    /** Greedy, up to {@code maxTokens}, nothing else. */
    public static SamplingOptions greedy(int maxTokens) {
        return new SamplingOptions(
                maxTokens,
                0,
                Filters.GREEDY,
                Penalties.NONE,
                Map.of(),
                OptionalLong.empty(),
                new Stop(Set.of(), false),
                OptionalInt.empty());
    }

    /** As these, but end tokens do not stop. */
    public SamplingOptions ignoringEndOfText() {
        return new SamplingOptions(
                maxTokens,
                minTokens,
                filters,
                penalties,
                logitBias,
                seed,
                new Stop(stop.tokenIds(), true),
                topLogprobs);
    }

    /** As these, with this seed. */
    public SamplingOptions withSeed(long drawn) {
        return new SamplingOptions(
                maxTokens, minTokens, filters, penalties, logitBias, OptionalLong.of(drawn), stop, topLogprobs);
    }

    /** One alternative of {@code logprobs}. */
    public record Logprob(int tokenId, float logprob, int rank) {}

    /** What {@code logprobs} reports for one token: the chosen one and the best alternatives, best first. */
    public record TokenLogprobs(Logprob chosen, List<Logprob> top) {
        public TokenLogprobs {
            top = List.copyOf(top);
        }
    }
}
