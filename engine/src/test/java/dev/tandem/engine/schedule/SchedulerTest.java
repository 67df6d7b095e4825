package dev.tandem.engine.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.Sequence.Admission;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import dev.tandem.model.TokenBatch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SchedulerTest {
    private static final int BLOCK_SIZE = 4;
    private static final long NOW = 1_000;

    private final StateCounts states = new StateCounts();
    private BlockManager blocks = new BlockManager(64, BLOCK_SIZE, true);
    private Scheduler scheduler = new Scheduler(new BatchLimits(16, 4, 64, true), 500, blocks, states);
    private long arrivals;

    @Test
    void shouldCutAPromptOverSteps() {
        Sequence sequence = add(aSequence(40));

        assertThat(step()).containsExactly(rows(sequence, 16));
        assertThat(step()).containsExactly(rows(sequence, 16));
        assertThat(step()).containsExactly(rows(sequence, 8));
        assertThat(sequence.state()).isEqualTo(SequenceState.DECODING);
        assertThat(step()).containsExactly(rows(sequence, 1));
    }

    @Test
    void shouldDecodeFirstAndFillTheRestWithPrompts() {
        Sequence old = add(aSequence(3));
        step();
        Sequence first = add(aSequence(10));
        Sequence second = add(aSequence(10));

        assertThat(step()).containsExactly(rows(old, 1), rows(first, 10), rows(second, 5));
        assertThat(step()).containsExactly(rows(old, 1), rows(first, 1), rows(second, 5));
    }

    @Test
    void shouldRunNoMoreSequencesThanAllowed() {
        for (int i = 0; i < 6; i++) {
            add(aSequence(2));
        }

        assertThat(step()).hasSize(4);
        assertThat(states.of(SequenceState.WAITING)).isEqualTo(2);
    }

    @Test
    void shouldNotLetASmallRequestOvertakeALargeOne() {
        use(8, true);
        Sequence running = add(aSequence(16));
        step();
        Sequence large = add(aSequence(24));
        add(aSequence(2));

        assertThat(step()).containsExactly(rows(running, 1));
        assertThat(large.state()).isEqualTo(SequenceState.WAITING);
        assertThat(states.of(SequenceState.WAITING)).isEqualTo(2);
    }

    @Test
    void shouldWaitForAWholeStepWhenPromptsAreNotCut() {
        use(64, false);
        Sequence first = add(aSequence(10));
        Sequence second = add(aSequence(10));

        assertThat(step()).containsExactly(rows(first, 10));
        assertThat(step()).containsExactly(rows(first, 1), rows(second, 10));
    }

    @Test
    void shouldPreemptTheYoungestWhenBlocksRunOut() {
        use(4, true);
        Sequence old = add(aSequence(7));
        Sequence young = add(aSequence(3));

        Batch batch = stepUntilPreemption();

        assertThat(batch.preemptions()).isOne();
        assertThat(young.state()).isEqualTo(SequenceState.WAITING);
        assertThat(young.blocks().size()).isZero();
        assertThat(old.state()).isEqualTo(SequenceState.DECODING);
        assertThat(scheduler.checkIntegrity()).isEmpty();
    }

    @Test
    void shouldStartAPreemptedSequenceBeforeLaterOnes() {
        use(4, true);
        Sequence old = add(aSequence(7));
        Sequence young = add(aSequence(3));
        step();
        Sequence later = add(aSequence(3));
        stepUntilPreemption();
        scheduler.finish(old);

        Batch batch = scheduler.schedule(NOW);

        assertThat(batch.chunks().getFirst().sequence()).isEqualTo(young);
        assertThat(later.state()).isIn(SequenceState.WAITING, SequenceState.PREFILLING);
        assertThat(batch.started()).doesNotContain(young);
    }

    @Test
    void shouldStartANewcomerInPlaceOfOneThatHasHadItsTurn() {
        use(128, true);
        List<Sequence> old = List.of(add(aSequence(2)), add(aSequence(2)), add(aSequence(2)), add(aSequence(2)));
        steps(63);
        Sequence newcomer = add(aSequence(8));
        step();
        assertThat(newcomer.state()).isEqualTo(SequenceState.WAITING);

        assertThat(step()).hasSize(4).contains(rows(newcomer, 8));
        assertThat(states.of(SequenceState.WAITING)).isEqualTo(1);
        assertThat(old).filteredOn(one -> one.state() == SequenceState.WAITING).hasSize(1);
    }

    @Test
    void shouldResumeWhoGaveWayBeforeLaterOnesAndGiveItALongerTurn() {
        limitSequences(1);
        Sequence old = add(aSequence(2));
        steps(64);
        Sequence newcomer = add(aSequence(2));
        step();
        Sequence later = add(aSequence(2));
        assertThat(newcomer.state()).isEqualTo(SequenceState.DECODING);

        scheduler.finish(newcomer);
        steps(66);

        assertThat(old.state()).isEqualTo(SequenceState.DECODING);
        assertThat(later.state()).isEqualTo(SequenceState.WAITING);
        step();
        assertThat(later.state()).isEqualTo(SequenceState.DECODING);
    }

    @Test
    void shouldStartANewcomerWhereBlocksAreWantingAsWellAsPlaces() {
        use(24, true); // of 4 tokens: 66 and the reserve leave too few
        Sequence old = add(aSequence(2));
        steps(64);
        Sequence newcomer = add(aSequence(40));
        Batch batch = scheduler.schedule(NOW);

        assertThat(batch.chunks()).containsExactly(rows(newcomer, 16));
        assertThat(old.state()).isEqualTo(SequenceState.WAITING);
    }

    @Test
    void shouldStartANewcomerInPlaceOfAClientThatHasMoreRunning() {
        limitSequences(1);
        Sequence old = add(sequence("a", 2));
        steps(64);
        Sequence other = add(sequence("b", 2));
        step();
        assertThat(other.state()).isEqualTo(SequenceState.DECODING);

        Sequence newcomer = add(sequence("a", 2));
        steps(64);
        assertThat(newcomer.state()).isEqualTo(SequenceState.DECODING);
        assertThat(List.of(old, other)).allMatch(one -> one.state() == SequenceState.WAITING);
    }

    @Test
    void shouldNotStopASequenceForALargerOne() {
        limitSequences(1);
        Sequence old = add(aSequence(2));
        steps(64);
        add(aSequence(80));

        assertThat(step()).containsExactly(rows(old, 1));
        assertThat(step()).containsExactly(rows(old, 1));
    }

    @Test
    void shouldFinishEverySequenceThatFitsAlone() {
        use(5, true);
        var sequences = new ArrayList<Sequence>();
        for (int i = 0; i < 4; i++) {
            sequences.add(add(aSequence(3 + i)));
        }

        for (int i = 0; i < 400 && !sequences.isEmpty(); i++) {
            step();
            for (Sequence sequence : List.copyOf(sequences)) {
                if (sequence.tokenCount() == 20) {
                    scheduler.finish(sequence);
                    sequences.remove(sequence);
                }
            }
            assertThat(scheduler.checkIntegrity()).isEmpty();
        }
        assertThat(sequences).isEmpty();
        assertThat(blocks.freeBlocks()).isEqualTo(5);
    }

    @Test
    void shouldRefuseASequenceThatNeverFits() {
        use(4, true);

        assertThatThrownBy(() -> add(aSequence(17))).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void shouldAwaitKvWithoutTakingRowsOfTheStep() {
        Sequence fetching = add(aFetch(40));
        Sequence local = add(aSequence(16));

        Batch batch = scheduler.schedule(NOW);

        assertThat(batch.fetches()).containsExactly(fetching);
        assertThat(batch.chunks()).containsExactly(rows(local, 16));
        assertThat(fetching.state()).isEqualTo(SequenceState.AWAITING_KV);
        assertThat(fetching.waitDeadlineNs()).isEqualTo(NOW + 500);
        assertThat(fetching.blocks().size()).isEqualTo(10);
        fetching.kvArrived(1, 1);
        run(batch);
        assertThat(step()).containsExactly(rows(fetching, 1), rows(local, 1));
    }

    @Test
    void shouldNotPreemptWhatATransferWritesTo() {
        use(6, false);
        Sequence decoding = add(aSequence(7));
        step();
        Sequence fetching = add(aFetch(11));
        scheduler.schedule(NOW);
        steps(1);
        for (int i = 0; i < 8; i++) {
            step();
        }

        assertThat(fetching.state()).isEqualTo(SequenceState.AWAITING_KV);
        assertThat(decoding.state()).isEqualTo(SequenceState.DECODING);
        assertThat(blocks.freeBlocks()).isZero();
        assertThat(step()).as("the only runner stalls").isEmpty();
        scheduler.finish(fetching);
        assertThat(step()).containsExactly(rows(decoding, 1));
    }

    @Test
    void shouldBuildTheModelsBatch() {
        Sequence old = add(aSequence(3));
        step();
        add(aSequence(20));

        TokenBatch batch = scheduler.schedule(NOW).toTokenBatch();

        assertThat(batch.rows()).isEqualTo(16);
        assertThat(batch.tokenIds()[0]).isEqualTo(old.tokens()[3]);
        assertThat(batch.chunks()).extracting(TokenBatch.Chunk::rows).containsExactly(1, 15);
        assertThat(batch.chunks()).extracting(TokenBatch.Chunk::firstPosition).containsExactly(3, 0);
        assertThat(batch.chunks()).extracting(TokenBatch.Chunk::logitRows).containsExactly(1, 0);
        assertThat(batch.chunks().getFirst().blockIds()).isEqualTo(old.blocks().blockIds());
    }

    @Test
    void shouldHoldLentBlocksUntilFinished() {
        Sequence lender = add(aSequence(9));
        Batch batch = scheduler.schedule(NOW);
        lender.advance(batch.chunks().getFirst().rows());
        scheduler.lend(lender, 5, NOW, NOW + 10);

        assertThat(states.of(SequenceState.LENT)).isOne();
        assertThat(scheduler.heldBlocks()).isEqualTo(3);
        assertThat(step()).isEmpty();
        scheduler.finish(lender);
        assertThat(blocks.freeBlocks()).isEqualTo(64);
    }

    private void use(int blockCount, boolean isChunked) {
        blocks = new BlockManager(blockCount, BLOCK_SIZE, false);
        scheduler = new Scheduler(new BatchLimits(16, 4, 64, isChunked), 500, blocks, states);
    }

    private void limitSequences(int most) {
        scheduler = new Scheduler(new BatchLimits(16, most, 64, true), 500, blocks, states);
    }

    private Sequence add(Sequence sequence) {
        scheduler.add(sequence);
        return sequence;
    }

    private Sequence aSequence(int promptTokens) {
        return sequence(promptTokens, new HandoffRole.None());
    }

    private Sequence aFetch(int promptTokens) {
        return sequence(
                promptTokens, new HandoffRole.Fetch(new HandoffTicket("p", "h", 1, new long[] {1}, 0, Map.of())));
    }

    private Sequence sequence(String client, int promptTokens) {
        return sequence(promptTokens, new HandoffRole.None(), new ClientId(client, ""));
    }

    private Sequence sequence(int promptTokens, HandoffRole role) {
        return sequence(promptTokens, role, ClientId.NONE);
    }

    private Sequence sequence(int promptTokens, HandoffRole role, ClientId client) {
        var prompt = new int[promptTokens];
        Arrays.fill(prompt, (int) arrivals + 1); // no two share a prefix
        var request =
                new Request("r" + arrivals, prompt, SamplingOptions.greedy(50), role, Duration.ofSeconds(1), client);
        return new Sequence(request, new Admission(arrivals++, 0, 0, 10_000), new TokenQueue(50, stream -> {}), states);
    }

    private static ScheduledChunk rows(Sequence sequence, int rows) {
        return new ScheduledChunk(sequence, rows);
    }

    private List<ScheduledChunk> step() {
        Batch batch = scheduler.schedule(NOW);
        run(batch);
        return batch.chunks();
    }

    private void steps(int count) {
        for (int i = 0; i < count; i++) {
            step();
        }
    }

    private Batch stepUntilPreemption() {
        for (int i = 0; i < 50; i++) {
            Batch batch = scheduler.schedule(NOW);
            run(batch);
            if (batch.preemptions() > 0) {
                return batch;
            }
        }
        throw new AssertionError("nothing was preempted");
    }

    private void run(Batch batch) {
        for (ScheduledChunk chunk : batch.chunks()) {
            boolean isSampled = chunk.isSampled();
            chunk.sequence().advance(chunk.rows());
            scheduler.register(chunk.sequence());
            if (isSampled) {
                chunk.sequence().append(77, NOW);
            }
        }
    }
}
