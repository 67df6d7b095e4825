package dev.tandem.engine.sample;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.SamplingOptions.Filters;
import dev.tandem.engine.request.SamplingOptions.Penalties;
import dev.tandem.engine.request.SamplingOptions.Stop;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.Sequence.Admission;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.kernel.Matrix;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SamplerTest {
    private static final int END = 4;

    private final Sampler sampler = new Sampler(6, List.of(END));

    @Test
    void shouldTakeTheLargestAndTheLowestIdAmongEquals() {
        assertThat(choose(SamplingOptions.greedy(5), 0, 1, 3, 3, 2, 0)).isEqualTo(2);
        assertThat(choose(SamplingOptions.greedy(5), -5, -5, -5, -5, -5, -5)).isZero();
        assertThat(choose(SamplingOptions.greedy(5), Float.NaN, 1, Float.NaN, 3, 2, 0))
                .isEqualTo(3);
    }

    @Test
    void shouldReadTheRowItIsGiven() {
        var logits = new Matrix(new float[] {9, 0, 0, 0, 0, 0, /* row 1 */ 0, 0, 0, 9, 0, 0}, 2, 6);

        assertThat(sampler.sample(logits, 1, sequence(SamplingOptions.greedy(5), 0))
                        .id())
                .isEqualTo(3);
    }

    @Test
    void shouldMaskEndTokensAndStopIdsBeforeMinTokens() {
        SamplingOptions options = options(2, Filters.GREEDY, new Stop(Set.of(3), false));

        assertThat(choose(options, 0, 5, 1, 8, 9, 2)).isEqualTo(1);
        var logits = Matrix.of(1, 6);
        System.arraycopy(new float[] {0, 5, 1, 8, 9, 2}, 0, logits.values(), 0, 6);
        assertThat(sampler.sample(logits, 0, sequence(options, 2)).id()).isEqualTo(END);
    }

    @Test
    void shouldNotMaskEndTokensThatDoNotEnd() {
        assertThat(choose(options(2, Filters.GREEDY, new Stop(Set.of(), true)), 0, 5, 1, 8, 9, 2))
                .isEqualTo(END);
    }

    @Test
    void shouldDrawEachTokenAsOftenAsItsProbabilitySays() {
        var counts = new int[6];
        int draws = 20_000;
        for (int seed = 0; seed < draws; seed++) {
            var options = new SamplingOptions(
                    5,
                    0,
                    new Filters(1, 1, 3, 0),
                    Penalties.NONE,
                    Map.of(),
                    OptionalLong.of(seed),
                    new Stop(Set.of(), false),
                    OptionalInt.empty());
            counts[choose(options, (float) Math.log(5), (float) Math.log(3), (float) Math.log(2), -1, -2, -3)]++;
        }

        assertThat(counts[0] / (double) draws).isCloseTo(0.5, within(0.02));
        assertThat(counts[1] / (double) draws).isCloseTo(0.3, within(0.02));
        assertThat(counts[2] / (double) draws).isCloseTo(0.2, within(0.02));
        assertThat(counts[3] + counts[4] + counts[5]).isZero();
    }

    @Test
    void shouldKeepTiesAtTheBorderOfTopK() {
        var filter = new TokenFilter(6);
        filter.apply(new float[] {1, 3, 2, 2, 2, 0}, 1, new Filters(1, 1, 2, 0));

        assertThat(filter.count()).isEqualTo(4);
    }

    @Test
    void shouldAlwaysKeepTheBest() {
        var filter = new TokenFilter(6);
        filter.apply(new float[] {1, 3, 2, 2, 2, 0}, 1, new Filters(1, Float.MIN_VALUE, 0, 0));
        assertThat(filter.count()).isOne();
        assertThat(filter.tokenId(0)).isEqualTo(1);
        filter.apply(new float[] {1, 3, 2, 2, 2, 0}, 1, new Filters(1, 1, 0, 1));
        assertThat(filter.count()).isOne();
        assertThat(filter.draw(0.999999)).isEqualTo(1);
    }

    @Test
    void shouldNeverDrawAMaskedToken() {
        var filter = new TokenFilter(3);
        filter.apply(new float[] {Float.NEGATIVE_INFINITY, 1, Float.NEGATIVE_INFINITY}, 1, new Filters(1, 1, 0, 0));

        assertThat(filter.count()).isOne();
    }

    @Test
    void shouldMakeRandomnessAFunctionOfSeedAndPosition() {
        double first = PositionRandom.uniform(42, 0);

        assertThat(PositionRandom.uniform(42, 1)).isNotEqualTo(first);
        assertThat(PositionRandom.uniform(43, 0)).isNotEqualTo(first);
        assertThat(PositionRandom.uniform(42, 0)).isEqualTo(first);
        double sum = 0;
        for (int position = 0; position < 10_000; position++) {
            double value = PositionRandom.uniform(0, position);
            assertThat(value).isBetween(0.0, 0x1.fffffffffffffp-1);
            sum += value;
        }
        assertThat(sum / 10_000).isCloseTo(0.5, within(0.01));
    }

    @Test
    void shouldReportLogprobsOfTheModelsOwnLogits() {
        var options = new SamplingOptions(
                5,
                0,
                Filters.GREEDY,
                Penalties.NONE,
                Map.of(2, 100f),
                OptionalLong.empty(),
                new Stop(Set.of(), false),
                OptionalInt.of(2));
        var logits = new Matrix(new float[] {0, 3, 1, 1, 0, 0}, 1, 6);

        var token = sampler.sample(logits, 0, sequence(options, 0));

        double sum = Math.exp(3) + 2 * Math.exp(1) + 3;
        assertThat(token.id()).isEqualTo(2);
        var logprobs = token.logprobs().orElseThrow();
        assertThat(logprobs.chosen().logprob()).isCloseTo((float) (1 - Math.log(sum)), within(1e-6f));
        assertThat(logprobs.chosen().rank()).as("two tokens share the place").isEqualTo(3);
        assertThat(logprobs.top()).extracting(SamplingOptions.Logprob::tokenId).containsExactly(1, 2);
    }

    @Test
    void shouldRefuseLogitsWithoutANumber() {
        float nan = Float.NaN;

        assertThatThrownBy(() -> choose(SamplingOptions.greedy(5), nan, nan, nan, nan, nan, nan))
                .isInstanceOf(ArithmeticException.class);
    }

    @Test
    void shouldSayWhyASequenceEnds() {
        var checker = new StopChecker(List.of(END), 20);
        SamplingOptions options = options(0, Filters.GREEDY, new Stop(Set.of(3), false));
        SamplingOptions patient = options(3, Filters.GREEDY, new Stop(Set.of(3), false));

        assertThat(checker.check(sequence(options, 1))).isEmpty();
        assertThat(checker.check(withLast(options, END)).orElseThrow())
                .isEqualTo(new StopChecker.Stop(FinishReason.STOP, OptionalInt.empty()));
        assertThat(checker.check(withLast(options, 3)).orElseThrow())
                .isEqualTo(new StopChecker.Stop(FinishReason.STOP, OptionalInt.of(3)));
        assertThat(checker.check(withLast(patient, END))).isEmpty();
        assertThat(checker.check(sequence(options, 5)).orElseThrow().reason()).isEqualTo(FinishReason.LENGTH);
        assertThat(new StopChecker(List.of(END), 4)
                        .check(sequence(options, 1))
                        .orElseThrow()
                        .reason())
                .isEqualTo(FinishReason.LENGTH);
    }

    private int choose(SamplingOptions options, float... logits) {
        return sampler.sample(new Matrix(logits, 1, 6), 0, sequence(options, 0)).id();
    }

    private static SamplingOptions options(int minTokens, Filters filters, Stop stop) {
        return new SamplingOptions(
                5, minTokens, filters, Penalties.NONE, Map.of(), OptionalLong.empty(), stop, OptionalInt.empty());
    }

    private static Sequence withLast(SamplingOptions options, int tokenId) {
        Sequence sequence = sequence(options, 0);
        sequence.append(tokenId, 1);
        return sequence;
    }

    /** A sequence whose prompt of three tokens is computed and that has some output. */
    private static Sequence sequence(SamplingOptions options, int outputTokens) {
        var request = new Request("r", new int[3], options, new HandoffRole.None(), Duration.ofSeconds(1));
        long seed = options.seed().orElse(0);
        var sequence = new Sequence(
                request, new Admission(0, seed, 0, 100), new TokenQueue(5, stream -> {}), new StateCounts());
        sequence.startPrefill(0, 1);
        sequence.advance(3);
        for (int i = 0; i < outputTokens; i++) {
            sequence.append(1, 1);
            if (i < outputTokens - 1) {
                sequence.advance(1);
            }
        }
        return sequence;
    }
}
