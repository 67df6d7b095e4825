package dev.tandem.engine;

import static dev.tandem.engine.EngineFixture.BLOCK_SIZE;
import static dev.tandem.engine.EngineFixture.await;
import static dev.tandem.engine.EngineFixture.prompt;
import static dev.tandem.engine.EngineFixture.read;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.EngineFixture.Outcome;
import dev.tandem.engine.EngineFixture.Setup;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Both sides of a prefill/decode exchange, with a fake in the place of the network. */
class EngineHandoffTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 4, 5, 40, 41, 303})
    void shouldLendThePromptsBlocksAndAnswerWithOneToken(int length) throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(length, 1);

            Outcome outcome = read(fixture.lend("r", prompt));

            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 1));
            assertThat(outcome.finished().reason()).isEqualTo(FinishReason.LENGTH);
            assertThat(outcome.finished().ticket()).isPresent();
            int blocks = Math.ceilDiv(length, BLOCK_SIZE);
            assertThat(fixture.handoff.leases().get("r")).hasSize(blocks);
            assertThat(fixture.engine.status().load().lent()).isOne();
            assertThat(fixture.engine.status().blocks().lent()).isEqualTo(blocks);
            fixture.handoff.endLease("r", Reason.RELEASED);
            fixture.awaitAllFree();
            assertThat(fixture.count(EngineCounter.LEASES_RELEASED)).isOne();
        }
    }

    @Test
    void shouldRefuseAnIdThatIsStillLent() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            read(fixture.lend("r", prompt(9, 1)));

            assertThatThrownBy(() -> fixture.lend("r", prompt(9, 1))).hasMessageContaining("in use");
            fixture.handoff.endLease("r", Reason.RELEASED);
            fixture.awaitAllFree();
            assertThat(read(fixture.lend("r", prompt(9, 1))).tokens()).hasSize(1);
        }
    }

    @Test
    void shouldShareLentBlocksWithTheNextPrompt() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            read(fixture.lend("first", prompt(41, 1)));

            Outcome second = read(fixture.lend("second", prompt(41, 1)));

            assertThat(second.finished().usage().cachedTokens()).isEqualTo(40);
            assertThat(fixture.engine.status().blocks().free()).isEqualTo(256 - 10 - 2);
            fixture.handoff.endLease("first", Reason.RELEASED);
            await(() -> fixture.engine.status().blocks().free() == 256 - 11);
            fixture.handoff.endLease("second", Reason.RELEASED);
            fixture.awaitAllFree();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 4, 5, 40, 41, 303})
    void shouldDecodeFromWhatWasRead(int length) throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(length, 1);
            TokenStream stream = fixture.fetch("r", prompt, 20);
            await(() -> fixture.engine.status().load().awaitingKv() == 1);

            fixture.handoff.arrive("r");

            Outcome outcome = read(stream);
            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
            var usage = outcome.finished().usage();
            assertThat(usage.handoff().remoteTokens()).isEqualTo(length - 1);
            assertThat(usage.handoff().bytes()).isEqualTo(8L * length);
            assertThat(usage.handoff().recomputeReason()).isEmpty();
            assertThat(fixture.model.longestBatch())
                    .as("only the last position of the prompt is computed, after a warm-up of 64 rows")
                    .isEqualTo(64);
            assertThat(fixture.count(EngineCounter.EXTERNAL_PREFIX_CACHE_HITS)).isEqualTo(length - 1);
            assertThat(fixture.count(EngineCounter.HANDOFF_TRANSFERS)).isOne();
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldNotReadWhatItsOwnPrefixCacheHas() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(60, 1);
            read(fixture.submit("before", Arrays.copyOf(prompt, 21), 1));

            TokenStream stream = fixture.fetch("r", prompt, 20);
            await(() -> fixture.handoff.fetches().containsKey("r"));

            assertThat(fixture.handoff.fetches().get("r").cachedTokens()).isEqualTo(20);
            assertThat(fixture.handoff.fetches().get("r").blockIds()).hasSize(15);
            fixture.handoff.arrive("r");
            Outcome outcome = read(stream);
            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
            assertThat(outcome.finished().usage().cachedTokens()).isEqualTo(20);
            assertThat(outcome.finished().usage().handoff().remoteTokens()).isEqualTo(39);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {40, 41})
    void shouldDeclineATicketForAPromptThatIsCachedHere(int length) throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(length, 1);
            read(fixture.submit("before", prompt, 1));

            Outcome outcome = read(fixture.fetch("r", prompt, 20));

            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
            assertThat(fixture.handoff.declined).containsExactly("r");
            assertThat(fixture.handoff.fetches()).isEmpty();
        }
    }

    @Test
    void shouldRecomputeWhatCouldNotBeReadAndSaySo() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            int[] prompt = prompt(60, 1);
            read(fixture.submit("before", Arrays.copyOf(prompt, 21), 1));
            TokenStream stream = fixture.fetch("r", prompt, 20);
            await(() -> fixture.handoff.fetches().containsKey("r"));

            fixture.handoff.breakOff("r");

            Outcome outcome = read(stream);
            assertThat(outcome.tokens()).isEqualTo(FakeModel.greedy(prompt, 20));
            var usage = outcome.finished().usage();
            assertThat(usage.handoff().recomputeReason()).contains("REJECTED: the lease is over");
            assertThat(usage.handoff().remoteTokens()).isZero();
            assertThat(fixture.count(EngineCounter.HANDOFF_RECOMPUTED)).isOne();
            assertThat(fixture.count(EngineCounter.HANDOFF_FAILURES)).isOne();
            fixture.awaitAllFree();
            assertThat(read(fixture.submit("after", prompt, 20)).tokens())
                    .as("nothing spoilt has come into the prefix cache")
                    .isEqualTo(FakeModel.greedy(prompt, 20));
        }
    }

    @Test
    void shouldFailWhenThePolicySaysSo() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().failing())) {
            TokenStream stream = fixture.fetch("r", prompt(60, 1), 20);
            await(() -> fixture.handoff.fetches().containsKey("r"));

            fixture.handoff.breakOff("r");

            assertThat(read(stream).failure().kind()).isEqualTo(Kind.KV_LOST);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldEndAFetchAtTheRequestsDeadlineAndFreeItsBlocksWhenItIsAtRest() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            var request = new Request(
                    "r",
                    prompt(40, 1),
                    EngineFixture.greedy(5),
                    new HandoffRole.Fetch(FakeConnector.ticket(10)),
                    Duration.ofMillis(20));
            TokenStream stream = fixture.engine.submit(request);

            assertThat(read(stream).failure().kind()).isEqualTo(Kind.TIMED_OUT);

            if (fixture.handoff.fetches().containsKey("r")) { // a slow machine may not even have begun it
                assertThat(fixture.handoff.cancelledFetches).containsExactly("r");
                fixture.handoff.arrive("r");
            }
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldWaitForLentBlocksWhenMemoryIsShort() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBlocks(20).withoutCache())) {
            read(fixture.lend("lent", prompt(60, 1)));
            TokenStream fetching = fixture.fetch("r", prompt(40, 2), 20);
            TokenStream local = fixture.submit("local", prompt(5, 3), 40);
            await(() -> fixture.engine.status().load().waiting() == 2);

            fixture.handoff.endLease("lent", Reason.RELEASED);
            await(() -> fixture.handoff.fetches().containsKey("r"));
            fixture.handoff.arrive("r");

            assertThat(read(fetching).tokens()).isEqualTo(FakeModel.greedy(prompt(40, 2), 20));
            assertThat(read(local).tokens()).isEqualTo(FakeModel.greedy(prompt(5, 3), 40));
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldStallRatherThanPreemptTheOnlySequenceWhileBlocksAreLent() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBlocks(20).withoutCache())) {
            read(fixture.lend("lent", prompt(60, 1)));
            TokenStream local = fixture.submit("local", prompt(5, 3), 40);
            await(() -> fixture.engine.status().blocks().free() == 0);

            fixture.handoff.endLease("lent", Reason.RELEASED);

            assertThat(read(local).tokens()).isEqualTo(FakeModel.greedy(prompt(5, 3), 40));
            assertThat(fixture.count(EngineCounter.PREEMPTIONS)).isZero();
        }
    }

    @Test
    void shouldFailOnlyTheRequestThatTheHandoffRefuses() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual())) {
            fixture.handoff.refuses = true;

            assertThat(read(fixture.lend("p", prompt(9, 1))).failure().kind()).isEqualTo(Kind.OVERLOADED);
            assertThat(read(fixture.fetch("d", prompt(40, 2), 5)).failure().kind())
                    .isEqualTo(Kind.OVERLOADED);
            fixture.awaitAllFree();
        }
    }

    @Test
    void shouldRecomputeAPreemptedSequenceWhoseKvWasRead() throws InterruptedException {
        try (var fixture = new EngineFixture(Setup.usual().withBlocks(24).withoutCache())) {
            var streams = new ArrayList<TokenStream>();
            for (int i = 0; i < 4; i++) {
                streams.add(fixture.fetch("r" + i, prompt(16, i), 60));
            }
            await(() -> fixture.handoff.fetches().size() == 4);
            CountDownLatch gate = fixture.model.hold(); // until all of them want blocks
            for (int i = 0; i < 4; i++) {
                fixture.handoff.arrive("r" + i);
            }
            gate.countDown();

            for (int i = 0; i < 4; i++) {
                assertThat(read(streams.get(i)).tokens()).isEqualTo(FakeModel.greedy(prompt(16, i), 60));
            }
            assertThat(fixture.count(EngineCounter.PREEMPTIONS)).isPositive();
            fixture.awaitAllFree();
        }
    }
}
