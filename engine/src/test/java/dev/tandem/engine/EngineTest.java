package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.BLOCK_SIZE;
import static dev.tandem.engine.EngineFixture.PATIENCE;
import static dev.tandem.engine.EngineFixture.greedy;
import static dev.tandem.engine.EngineFixture.prompt;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.EngineFixture.Setup;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenStream;
import dev.tandem.engine.schedule.BatchLimits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EngineTest {
    @ParameterizedTest
    @ValueSource(ints = {8, 9, 64, 512})
    void shouldGiveTheSameTokensHoweverThePromptIsCut(int batchedTokens) throws InterruptedException {
        try (var fixture =
                new EngineFixture(Setup.usual().withBatchedTokens(batchedTokens).withoutCache())) {
            for (int length : new int[] {1, 3, 4, 5, 71, 303}) {
                int[] prompt = prompt(length, length);

                Outcome outcome = read(fixture.submit("r" + length, prompt, 20));

                assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
                assertThat(outcome.finished().reason()).isEqualTo(FinishReason.LENGTH);
                assertThat(outcome.finished().usage().promptTokens()).isEqualTo(length);
                assertThat(outcome.finished().usage().outputTokens()).isEqualTo(20);
            }
            assertThat(fixture.count(EngineCounter.GENERATION_TOKENS)).isEqualTo(120);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldGiveTheSameTokensWhenRequestsAreInterleaved() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBatchedTokens(16))) {
            var streams = new ArrayList<TokenStream>();
            for (int i = 0; i < 12; i++) {
                streams.add(fixture.submit("r" + i, prompt(5 + 17 * i, i), 30));
            }

            for (int i = 0; i < 12; i++) {
                assertThat(read(streams.get(i)).tokens()).isEqualTo(FakeModel.greedy(prompt(5 + 17 * i, i), 30));
            }
            assertThat(fixture.count(EngineCounter.PREEMPTIONS)).isZero();
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldGiveTheSameTokensWhenBlocksRunOut() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBlocks(24).withoutCache())) {
            CountDownLatch gate = fixture.model.hold(); // until all of them want blocks
            var streams = new ArrayList<TokenStream>();
            for (int i = 0; i < 8; i++) {
                streams.add(fixture.submit("r" + i, prompt(9 + i, i), 60));
            }
            gate.countDown();

            for (int i = 0; i < 8; i++) {
                assertThat(read(streams.get(i)).tokens()).isEqualTo(FakeModel.greedy(prompt(9 + i, i), 60));
            }
            assertThat(fixture.count(EngineCounter.PREEMPTIONS)).isPositive();
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldFindPrefixesAgainAndGiveTheSameTokens() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(41, 1);

            Outcome cold = read(fixture.submit("cold", prompt, 10));
            Outcome warm = read(fixture.submit("warm", prompt, 10));

            assertThat(warm.tokens()).isEqualTo(cold.tokens()).isEqualTo(FakeModel.greedy(prompt, 10));
            assertThat(cold.finished().usage().cachedTokens()).isZero();
            assertThat(warm.finished().usage().cachedTokens()).isEqualTo(40);
            assertThat(fixture.count(EngineCounter.PREFIX_CACHE_QUERIES)).isEqualTo(82);
            assertThat(fixture.count(EngineCounter.PREFIX_CACHE_HITS)).isEqualTo(40);
            assertThat(fixture.engine.status().blocks().cached()).isPositive();
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldComputeSomethingWhenTheWholePromptIsCached() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(40, 1);
            read(fixture.submit("cold", prompt, 10));

            Outcome warm = read(fixture.submit("warm", prompt, 10));

            assertThat(warm.tokens()).isEqualTo(FakeModel.greedy(prompt, 10));
            assertThat(warm.finished().usage().cachedTokens()).isEqualTo(40 - BLOCK_SIZE);
        }
    }

    @Test
    void shouldStopAtEndTokensAndStopIds() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(6, 3);
            int third = FakeModel.greedy(prompt, 3).get(2);
            var stops = new SamplingOptions.Stop(Set.of(third), true);

            Outcome outcome = read(fixture.engine.submit(request("r", prompt, options(50, stops))));

            assertThat(outcome.tokens()).hasSize(FakeModel.greedy(prompt, 3).indexOf(third) + 1);
            assertThat(outcome.finished().reason()).isEqualTo(FinishReason.STOP);
            assertThat(outcome.finished().stopTokenId()).isEqualTo(OptionalInt.of(third));
            assertThat(fixture.count(EngineCounter.REQUESTS_FINISHED_STOP)).isOne();
        }
    }

    @Test
    void shouldDrawTheSameTokensForTheSameSeedWhateverElseRuns() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBlocks(40).withoutCache())) {
            SamplingOptions sampled = sampled(40, 42);
            Outcome alone = read(fixture.engine.submit(request("alone", prompt(9, 1), sampled)));
            CountDownLatch gate = fixture.model.hold(); // until all of them want blocks
            var others = new ArrayList<TokenStream>();
            for (int i = 0; i < 5; i++) {
                others.add(fixture.submit("other" + i, prompt(20, 50 + i), 60));
            }
            TokenStream crowded = fixture.engine.submit(request("crowded", prompt(9, 1), sampled));
            TokenStream otherSeed = fixture.engine.submit(request("seed", prompt(9, 1), sampled(40, 43)));
            gate.countDown();

            assertThat(read(crowded).tokens()).isEqualTo(alone.tokens());
            assertThat(read(otherSeed).tokens()).isNotEqualTo(alone.tokens());
            for (TokenStream other : others) {
                assertThat(read(other).tokens()).hasSize(60);
            }
            assertThat(fixture.count(EngineCounter.PREEMPTIONS)).isPositive();
        }
    }

    @Test
    void shouldRefuseWhatItCannotServe() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBlocks(100))) {
            var held = fixture.model.hold();
            TokenStream first = fixture.submit("twice", prompt(5, 1), 5);

            assertRefused(Kind.INVALID, "twice is in use", () -> fixture.submit("twice", prompt(5, 1), 5));
            assertRefused(Kind.INVALID, "prompt is empty", () -> fixture.submit("r", new int[0], 5));
            assertRefused(Kind.INVALID, "token id 97", () -> fixture.submit("r", new int[] {97}, 5));
            assertRefused(Kind.INVALID, "max_tokens 0", () -> fixture.submit("r", prompt(5, 1), 0));
            assertRefused(
                    Kind.TOO_LONG,
                    "prompt of 500 tokens and 13 to generate exceed the model length of 512",
                    () -> fixture.submit("r", prompt(500, 1), 13));
            assertRefused(
                    Kind.TOO_LONG,
                    "need 101 KV blocks of 4 tokens; this node has 100",
                    () -> fixture.submit("r", prompt(392, 1), 10));
            held.countDown();
            assertThat(read(first).tokens()).hasSize(5);
            assertThat(read(fixture.submit("fits", prompt(391, 1), 10)).tokens())
                    .hasSize(10);
            assertThat(read(fixture.submit("twice", prompt(5, 1), 5)).tokens()).hasSize(5);
            assertThat(fixture.count(EngineCounter.REQUESTS_REJECTED)).isEqualTo(6);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldRefuseMoreThanMayWait() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withSequences(1).withWaiting(2))) {
            var held = fixture.model.hold();
            TokenStream running = fixture.submit("running", prompt(5, 1), 5);
            fixture.model.awaitHeld();
            TokenStream second = fixture.submit("second", prompt(5, 2), 5);
            TokenStream third = fixture.submit("third", prompt(5, 3), 5);

            assertRefused(Kind.OVERLOADED, "as may: 2", () -> fixture.submit("fourth", prompt(5, 4), 5));

            held.countDown();
            for (TokenStream stream : new TokenStream[] {running, second, third}) {
                assertThat(read(stream).tokens()).hasSize(5);
            }
            assertThat(read(fixture.submit("fourth", prompt(5, 4), 5)).tokens()).hasSize(5);
        }
    }

    @Test
    void shouldEndRequestsAtTheirDeadline() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withSequences(1))) {
            var held = fixture.model.hold();
            TokenStream running = fixture.submit("running", prompt(5, 1), 5);
            fixture.model.awaitHeld();
            var short_ = new Request("late", prompt(5, 2), greedy(5), new HandoffRole.None(), Duration.ofNanos(1));
            TokenStream late = fixture.engine.submit(short_);

            held.countDown();

            assertThat(read(late).failure().kind()).isEqualTo(Kind.TIMED_OUT);
            assertThat(read(running).tokens()).hasSize(5);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldFailOnlyTheRequestWhoseLogitsAreNoNumbers() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            fixture.model.giveNoNumbers();

            assertThat(read(fixture.submit("r", prompt(5, 1), 5)).failure().kind())
                    .isEqualTo(Kind.INTERNAL);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldEndEverythingWithTheCauseWhenTheModelFails() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withSequences(1))) {
            var held = fixture.model.hold();
            TokenStream running = fixture.submit("running", prompt(5, 1), 5);
            fixture.model.awaitHeld();
            TokenStream waiting = fixture.submit("waiting", prompt(5, 2), 5);
            fixture.model.failWith(new IllegalStateException("bad weights"));
            held.countDown();

            assertThat(read(running).failure()).hasRootCauseMessage("bad weights");
            assertThat(read(waiting).failure().kind()).isEqualTo(Kind.INTERNAL);
            assertThat(fixture.engine.status().failure()).isPresent();
            assertRefused(Kind.UNAVAILABLE, "down", () -> fixture.submit("later", prompt(5, 1), 5));
        }
    }

    /** /dev/shm is full, and then somebody makes room. */
    @Test
    void shouldFailTheRequestsOfAStepWithoutMemoryAndServeOn() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withSequences(1))) {
            fixture.model.haveMemory(false);
            TokenStream first = fixture.submit("first", prompt(5, 1), 5);
            assertThat(read(first).failure()).hasMessageContaining("/dev/shm").returns(Kind.UNAVAILABLE, e -> e.kind());

            fixture.model.haveMemory(true);
            assertThat(read(fixture.submit("second", prompt(5, 2), 5)).tokens())
                    .isEqualTo(FakeModel.greedy(prompt(5, 2), 5));
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldEndEverythingWhenItCloses() throws InterruptedException {
        var fixture = new EngineFixture(Setup.usual().withSequences(1));
        var held = fixture.model.hold();
        TokenStream running = fixture.submit("running", prompt(5, 1), 400);
        fixture.model.awaitHeld();
        TokenStream waiting = fixture.submit("waiting", prompt(5, 2), 400);
        held.countDown();

        fixture.close();

        assertThat(read(running).failure().kind()).isEqualTo(Kind.UNAVAILABLE);
        assertThat(read(waiting).failure().kind()).isEqualTo(Kind.UNAVAILABLE);
        assertThat(fixture.model.isClosed()).isTrue();
        assertThat(fixture.handoff.isClosed).isTrue();
        assertRefused(Kind.UNAVAILABLE, "closed", () -> fixture.submit("later", prompt(5, 1), 5));
    }

    @Test
    @Timeout(60)
    void shouldLeaveAloneWhatAHangingStepMayTouchWhenItCloses() throws InterruptedException {
        var fixture = new EngineFixture(Setup.usual());
        var held = fixture.model.hold();
        TokenStream running = fixture.submit("running", prompt(5, 1), 400);
        fixture.model.awaitHeld();

        fixture.engine.close(Duration.ofMillis(1));
        assertThat(fixture.model.isClosed()).isFalse();
        assertThat(fixture.handoff.isClosed).isFalse();

        held.countDown();
        assertThat(read(running).failure().kind()).isEqualTo(Kind.UNAVAILABLE);
        fixture.close();
        assertThat(fixture.model.isClosed()).isTrue();
    }

    @Test
    void shouldRefuseLimitsThatContradictEachOther() {
        assertThatThrownBy(() -> new EngineFixture(Setup.usual().withBatchedTokens(4)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("--max-num-batched-tokens 4 is below --max-num-seqs 8");
        assertThatThrownBy(() -> new EngineConfig(65, new BatchLimits(64, 8, 64, false), true, 1, Optional.empty()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("--max-num-batched-tokens 64 with --no-enable-chunked-prefill")
                .hasMessageContaining("65 (--max-model-len)");
        assertThatThrownBy(() -> new BatchLimits(64, 8, 0, true)).hasMessageContaining("0 requests that may wait");
    }

    @Test
    void shouldTimeOutAReaderWithoutEndingTheRequest() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            var held = fixture.model.hold();
            TokenStream stream = fixture.submit("r", prompt(5, 1), 5);

            assertThatThrownBy(() -> stream.next(Duration.ZERO)).hasMessageContaining("no token within");

            held.countDown();
            assertThat(read(stream).tokens()).hasSize(5);
        }
    }

    private static void assertRefused(Kind kind, String words, ThrowingCallable submission) {
        assertThatThrownBy(submission)
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageContaining(words);
    }

    private static Request request(String id, int[] prompt, SamplingOptions options) {
        return new Request(id, prompt, options, new HandoffRole.None(), PATIENCE);
    }

    private static SamplingOptions options(int maxTokens, SamplingOptions.Stop stop) {
        return new SamplingOptions(
                maxTokens,
                0,
                SamplingOptions.Filters.GREEDY,
                SamplingOptions.Penalties.NONE,
                Map.of(),
                OptionalLong.empty(),
                stop,
                OptionalInt.empty());
    }

    private static SamplingOptions sampled(int maxTokens, long seed) {
        return new SamplingOptions(
                maxTokens,
                0,
                new SamplingOptions.Filters(1, 1, 0, 0),
                SamplingOptions.Penalties.NONE,
                Map.of(),
                OptionalLong.of(seed),
                new SamplingOptions.Stop(Set.of(), true),
                OptionalInt.empty());
    }
}
