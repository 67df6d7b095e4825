package dev.tandem.engine.schedule;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.request.ClientId;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.Sequence.Admission;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Who gets on when several clients want more than there is. */
class FairnessTest {
    private static final int BLOCK_SIZE = 4;
    private static final long NOW = 1_000;
    private static final ClientId GREEDY = new ClientId("10.0.0.1", "greedy");
    private static final ClientId MODEST = new ClientId("10.0.0.2", "modest");

    private final StateCounts states = new StateCounts();
    private BlockManager blocks;
    private Scheduler scheduler;
    private long arrivals;

    private void use(int blockCount, int sequences) {
        blocks = new BlockManager(blockCount, BLOCK_SIZE, false);
        scheduler = new Scheduler(new BatchLimits(16, sequences, 64, true), 500, blocks, states);
    }

    @AfterEach
    void shouldHaveLostNoBlock() {
        assertThat(scheduler.checkIntegrity()).isEmpty();
    }

    private Sequence add(ClientId client, int promptTokens) {
        var prompt = new int[promptTokens];
        Arrays.fill(prompt, (int) arrivals + 1);
        var request = new Request(
                "r" + arrivals,
                prompt,
                SamplingOptions.greedy(5_000),
                new HandoffRole.None(),
                Duration.ofSeconds(1),
                client);
        var sequence = new Sequence(
                request, new Admission(arrivals++, 0, 0, 10_000), new TokenQueue(5_000, stream -> {}), states);
        scheduler.add(sequence);
        return sequence;
    }

    private List<Sequence> add(ClientId client, int count, int promptTokens) {
        var added = new ArrayList<Sequence>();
        for (int i = 0; i < count; i++) {
            added.add(add(client, promptTokens));
        }
        return added;
    }

    private Batch step() {
        Batch batch = scheduler.schedule(NOW);
        for (ScheduledChunk chunk : batch.chunks()) {
            int written = chunk.sequence().computedTokens() + chunk.rows();
            assertThat(chunk.sequence().blocks().size() * BLOCK_SIZE)
                    .as("blocks for what is computed")
                    .isGreaterThanOrEqualTo(written);
        }
        for (ScheduledChunk chunk : batch.chunks()) {
            boolean isSampled = chunk.isSampled();
            chunk.sequence().advance(chunk.rows());
            scheduler.register(chunk.sequence());
            if (isSampled) {
                chunk.sequence().append(77, NOW);
                chunk.sequence().stream().add(new Token(77, Optional.empty()));
            }
        }
        return batch;
    }

    private void steps(int count) {
        for (int i = 0; i < count; i++) {
            step();
        }
    }

    @Test
    void shouldGiveAPlaceToAClientThatHasNoneWhenAnotherHasAll() {
        use(1_000, 4);
        List<Sequence> greedy = add(GREEDY, 40, 2);
        steps(3);
        Sequence modest = add(MODEST, 2);

        Batch batch = step();

        assertThat(modest.state()).isEqualTo(SequenceState.DECODING);
        assertThat(batch.preemptions()).isEqualTo(1);
        assertThat(greedy.get(3).state()).isEqualTo(SequenceState.WAITING);
        assertThat(greedy.get(0).state()).isEqualTo(SequenceState.DECODING);
    }

    @Test
    void shouldGiveBlocksToAClientThatHasNoneWhenAnotherHasAll() {
        use(16, 16);
        add(GREEDY, 40, 7);
        steps(8);
        Sequence modest = add(MODEST, 9);

        steps(2);

        assertThat(modest.state()).isEqualTo(SequenceState.DECODING);
    }

    @Test
    void shouldShareEvenlyAndThenStaySo() {
        use(1_000, 4);
        List<Sequence> greedy = add(GREEDY, 20, 2);
        steps(3);
        List<Sequence> modest = add(MODEST, 20, 2);
        steps(3);

        assertThat(running(greedy)).isEqualTo(2);
        assertThat(running(modest)).isEqualTo(2);
        for (int i = 0; i < 10; i++) {
            assertThat(step().preemptions()).isZero();
        }
    }

    @Test
    void shouldTellClientsBehindOneAddressApartByName() {
        use(1_000, 4);
        List<Sequence> greedy = add(new ClientId("gateway", "a"), 20, 2);
        steps(3);
        Sequence modest = add(new ClientId("gateway", "b"), 2);
        step();

        assertThat(modest.state()).isEqualTo(SequenceState.DECODING);
        assertThat(running(greedy)).isEqualTo(3);
    }

    @Test
    void shouldGiveAnAddressNoMoreForNamesThatItMakesUp() {
        use(1_000, 4);
        var liar = new ArrayList<Sequence>();
        for (int i = 0; i < 20; i++) {
            liar.add(add(new ClientId("10.0.0.1", "name " + i), 2));
        }
        steps(3);
        List<Sequence> modest = add(MODEST, 20, 2);
        steps(3);

        assertThat(running(modest)).isEqualTo(2);
        assertThat(running(liar)).isEqualTo(2);
    }

    @Test
    void shouldLetClientsTakeTurnsWithTheRowsOfPrompts() {
        use(1_000, 8);
        add(GREEDY, 4, 400);
        steps(2);
        Sequence modest = add(MODEST, 10);

        step();

        assertThat(modest.state()).isEqualTo(SequenceState.DECODING);
    }

    @Test
    void shouldLetLongPromptsOfTwoClientsTakeTurns() {
        use(1_000, 8);
        Sequence greedy = add(GREEDY, 160);
        steps(2);
        Sequence modest = add(MODEST, 160);
        steps(8);

        assertThat(greedy.computedTokens()).isEqualTo(32 + 64);
        assertThat(modest.computedTokens()).isEqualTo(64);
    }

    @Test
    void shouldComputeNothingForAReaderThatIsBehindUntilItHasRead() throws InterruptedException {
        use(2_000, 1);
        Sequence unread = add(GREEDY, 2);
        while (!unread.stream().isBehind()) {
            step();
        }
        Sequence other = add(GREEDY, 2);

        steps(2);
        assertThat(unread.state()).isEqualTo(SequenceState.WAITING);
        assertThat(unread.blocks().size()).isZero();
        assertThat(other.state()).isEqualTo(SequenceState.DECODING);

        scheduler.finish(other);
        assertThat(step().chunks()).isEmpty();
        int tokens = unread.tokenCount();
        while (unread.stream().isBehind()) {
            unread.stream().next(Duration.ofSeconds(1));
        }
        steps(tokens / 16 + 2);
        assertThat(unread.tokenCount()).isGreaterThan(tokens);
    }

    @Test
    void shouldFinishWhatEverybodyWants() {
        use(12, 3);
        var left = new ArrayList<Sequence>();
        for (int i = 0; i < 12; i++) {
            left.add(add(i % 3 == 0 ? MODEST : GREEDY, 3 + i % 5));
        }
        for (int i = 0; i < 4_000 && !left.isEmpty(); i++) {
            step();
            for (Sequence sequence : List.copyOf(left)) {
                if (sequence.tokenCount() == 30) {
                    scheduler.finish(sequence);
                    left.remove(sequence);
                }
            }
            assertThat(scheduler.checkIntegrity()).isEmpty();
        }
        assertThat(left).isEmpty();
        assertThat(blocks.freeBlocks()).isEqualTo(12);
    }

    private static long running(List<Sequence> sequences) {
        return sequences.stream()
                .filter(sequence -> sequence.state() == SequenceState.DECODING)
                .count();
    }
}
