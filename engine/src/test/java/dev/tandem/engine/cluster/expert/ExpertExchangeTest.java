package dev.tandem.engine.cluster.expert;

import static dev.tandem.engine.cluster.expert.ExpertFixture.assertRight;
import static dev.tandem.engine.cluster.expert.ExpertFixture.awaitPeers;
import static dev.tandem.engine.cluster.expert.ExpertFixture.introduce;
import static dev.tandem.engine.cluster.expert.ExpertFixture.rows;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.Members;
import dev.tandem.engine.cluster.channel.ChannelLimits;
import dev.tandem.engine.cluster.expert.ExpertFixture.Process;
import dev.tandem.engine.cluster.expert.ExpertRuntime.Patience;
import dev.tandem.parallel.ExpertRows;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ExpertExchangeTest {
    private final ExpertFixture four = new ExpertFixture(4);

    @AfterEach
    void close() {
        four.close();
    }

    @Test
    void shouldGiveTheSameBitsWithOneToFourProcesses() throws Exception {
        for (int count = 1; count <= 4; count++) {
            try (var fixture = new ExpertFixture(4)) {
                var processes = new ArrayList<Process>();
                for (int i = 0; i < count; i++) {
                    processes.add(fixture.process(4 * i / count, 4 * (i + 1) / count));
                }
                introduce(processes);
                for (int seed = 0; seed < 30; seed++) {
                    Process process = processes.get(seed % count);
                    ExpertRows rows = rows(seed);
                    process.router().exchange(rows);
                    assertRight(rows);
                }
                for (Process process : processes) {
                    assertThat(process.count(ClusterCounter.EXPERT_ROWS_RECOMPUTED))
                            .isZero();
                    assertThat(process.count(ClusterCounter.EXPERT_ROWS_SENT) > 0)
                            .isEqualTo(count > 1);
                    assertThat(process.count(ClusterCounter.EXPERT_ROWS_SERVED) > 0)
                            .isEqualTo(count > 1);
                }
            }
        }
    }

    @Test
    void shouldServeMoreRanksThanExperts() throws Exception {
        try (var fixture = new ExpertFixture(13)) { // ranks 10..12 own none
            var processes = List.of(fixture.process(0, 5), fixture.process(5, 11), fixture.process(11, 13));
            introduce(processes);
            for (int seed = 0; seed < 12; seed++) {
                ExpertRows rows = rows(seed);
                processes.get(seed % 3).router().exchange(rows);
                assertRight(rows);
            }
            assertThat(processes.getLast().count(ClusterCounter.EXPERT_ROWS_SERVED))
                    .isZero();
            assertThat(processes.getFirst().runtime().peers())
                    .as("nobody dials a process without experts")
                    .extracting(ExpertRuntime.PeerStatus::placement)
                    .containsExactly(processes.get(1).placement());
            assertThat(processes.getLast().count(ClusterCounter.EXPERT_ROWS_LOCAL))
                    .isZero();
        }
    }

    @Test
    void shouldCutRowsThatAreMoreThanAFrameMayHold() throws Exception {
        int frame = ExpertFixture.HIDDEN * Float.BYTES * 4 + 200; // four rows and a bit
        var limits = new ChannelLimits(Duration.ofSeconds(10), Math.max(frame, 2000), 4096, 1 << 20);
        var processes = List.of(
                four.process(0, 2, four.setup(0, 2, 0, ExpertFixture.PATIENT, limits, 256)),
                four.process(2, 4, four.setup(2, 4, 0, ExpertFixture.PATIENT, limits, 256)));
        introduce(processes);
        ExpertRows rows = rows(3, 60);
        processes.getFirst().router().exchange(rows);
        assertRight(rows);
        assertThat(processes.getFirst().count(ClusterCounter.EXPERT_CALLS)).isGreaterThan(2);
    }

    @Test
    void shouldComputeEverythingHereBeforeAnybodyElseIsKnown() throws Exception {
        Process alone = four.process(1, 2);
        ExpertRows rows = rows(1);
        alone.router().exchange(rows);
        assertRight(rows);
        assertThat(alone.count(ClusterCounter.EXPERT_ROWS_RECOMPUTED)).isPositive();
    }

    @Test
    void shouldTakeRowsOverFromAProcessThatLeftAndGiveThemBackWhenItReturns() throws Exception {
        Process here = four.process(0, 2);
        Process there = four.process(2, 4);
        introduce(List.of(here, there));
        there.close();
        ExpertFixture.await(() -> here.runtime().peers().getFirst().downReason().isPresent());
        ExpertRows lost = rows(1);
        here.router().exchange(lost);
        assertRight(lost);
        assertThat(here.count(ClusterCounter.EXPERT_ROWS_SENT)).isZero();
        assertThat(here.count(ClusterCounter.EXPERT_ROWS_RECOMPUTED)).isPositive();
        four.process(2, 4, there.placement().expertPort(), ExpertFixture.PATIENT);
        awaitPeers(here);
        ExpertRows back = rows(2);
        here.router().exchange(back);
        assertRight(back);
        assertThat(here.count(ClusterCounter.EXPERT_ROWS_SENT)).isPositive();
    }

    @Test
    void shouldForgetProcessesThatAreMembersNoMore() throws Exception {
        Process here = four.process(0, 2);
        Process there = four.process(2, 4);
        introduce(List.of(here, there));
        here.runtime().update(new Members(List.of(here.placement())));
        assertThat(here.runtime().peers()).isEmpty();
        ExpertRows rows = rows(1);
        here.router().exchange(rows);
        assertRight(rows);
        assertThat(here.count(ClusterCounter.EXPERT_CALLS)).isZero();
    }

    @Test
    void shouldServeManyRanksAtOnceFromFewThreads() throws Exception {
        int ranks = 64;
        try (var fixture = new ExpertFixture(ranks);
                var workers = Executors.newFixedThreadPool(ranks)) {
            var processes = new ArrayList<Process>();
            for (int i = 0; i < 4; i++) {
                processes.add(fixture.process(16 * i, 16 * (i + 1)));
            }
            introduce(processes);
            var done = new ArrayList<CompletableFuture<Void>>();
            for (int rank = 0; rank < ranks; rank++) {
                ExpertRouter router = processes.get(rank / 16).runtime().router(ExpertFixture.bank());
                int first = 100 * rank;
                done.add(CompletableFuture.runAsync(
                        () -> {
                            for (int seed = first; seed < first + 10; seed++) {
                                ExpertRows rows = rows(seed, 6);
                                router.exchange(rows);
                                assertRight(rows);
                            }
                        },
                        workers));
            }
            for (CompletableFuture<Void> each : done) {
                each.get(60, TimeUnit.SECONDS);
            }
            for (Process process : processes) {
                assertThat(process.count(ClusterCounter.EXPERT_ROWS_RECOMPUTED)).isZero();
                assertThat(process.runtime().isHealthy()).isTrue();
            }
        }
    }

    @Test
    void shouldComputeHereWhatIsRefusedThere() throws Exception {
        Process here = four.process(0, 2);
        Process full = four.process(2, 4, four.setup(2, 4, 0, ExpertFixture.PATIENT, ExpertFixture.LIMITS, 0));
        introduce(List.of(here, full));
        ExpertRows rows = rows(1);
        here.router().exchange(rows);
        assertRight(rows);
        assertThat(here.count(ClusterCounter.EXPERT_CALLS_FAILED)).isEqualTo(1);
        assertThat(full.count(ClusterCounter.EXPERT_CALLS_REFUSED)).isEqualTo(1);
    }

    @Test
    void shouldComputeHereWhatTheOwnerTookWithItWhenItDied() throws Exception {
        Process here = four.process(0, 2);
        try (var silent = new SilentOwner(four.terms(ExpertFixture.placement(2, 4, 0)))) {
            here.runtime().update(new Members(List.of(here.placement(), ExpertFixture.placement(2, 4, silent.port()))));
            awaitPeers(here);
            ExpertRows rows = rows(1);
            var exchange = CompletableFuture.runAsync(() -> here.router().exchange(rows));
            silent.awaitCall();
            silent.die();
            exchange.get(30, TimeUnit.SECONDS);
            assertRight(rows);
            assertThat(here.count(ClusterCounter.EXPERT_CALLS)).isEqualTo(1);
            assertThat(here.count(ClusterCounter.EXPERT_CALLS_FAILED)).isEqualTo(1);
        }
    }

    @Test
    void shouldLeaveAnOwnerAloneThatDoesNotAnswerInTime() throws Exception {
        var hasty = new Patience(
                Duration.ofMillis(50), ExpertFixture.PATIENCE, Duration.ofMillis(5), Duration.ofMinutes(10));
        Process here = four.process(0, 2, 0, hasty);
        try (var silent = new SilentOwner(four.terms(ExpertFixture.placement(2, 4, 0)))) {
            here.runtime().update(new Members(List.of(here.placement(), ExpertFixture.placement(2, 4, silent.port()))));
            awaitPeers(here);
            for (int seed = 0; seed < 5; seed++) {
                ExpertRows rows = rows(seed);
                here.router().exchange(rows);
                assertRight(rows);
            }
            assertThat(here.count(ClusterCounter.EXPERT_CALLS)).isEqualTo(1);
            ExpertFixture.await(
                    () -> here.runtime().peers().getFirst().downReason().isPresent());
            assertThat(here.runtime().peers().getFirst().downReason()).contains("no answer within 50 ms");
        }
    }

    @Test
    void shouldRefuseRowsOfAnotherModel() throws Exception {
        Process here = four.process(0, 4);
        assertThatThrownBy(() -> here.router().exchange(new ExpertRows(4, 8, 5)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("rows of 8 values for 5 experts; the model has 24 and 10");
    }

    @Test
    void shouldNotTouchResultsAfterACallWasGivenUp() throws Exception {
        ExpertRows rows = rows(1);
        var range = RowRange.of(rows, 0, ExpertFixture.EXPERTS);
        var call = new ExpertCall(rows, range, new Arrivals(), new byte[0]);
        assertThat(call.giveUp()).isTrue();
        var result = new byte[ExpertFrames.resultBytes(range.rows(), ExpertFixture.HIDDEN)];
        int bytes = ExpertFrames.writeResult(result, 1, rows.x(), range.rows());
        call.answer(
                ByteBuffer.wrap(result, Long.BYTES, bytes - Long.BYTES).slice().order(ByteOrder.LITTLE_ENDIAN));
        assertThat(rows.results().values()).containsOnly(Float.NaN);
        assertThat(call.isAnswered()).isFalse();
    }
}
