package dev.tandem.engine.request;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class SequenceTest {
    /** One act that leads to each state, however wrong it may be to do it now. */
    private static final Map<SequenceState, Consumer<Sequence>> MOVES = new EnumMap<>(Map.of(
            SequenceState.WAITING, Sequence::preempt,
            SequenceState.PREFILLING, s -> s.startPrefill(0, 5),
            SequenceState.AWAITING_KV, s -> s.awaitKv(0, 5, 50),
            SequenceState.LENT, s -> s.lend(1, 5, 50),
            SequenceState.FINISHED, Sequence::finish));

    @Test
    void shouldRefuseEveryTransitionThatTheStatesDoNotName() {
        for (SequenceState from : SequenceState.values()) {
            MOVES.forEach((to, move) -> {
                Sequence sequence = in(from);
                boolean isDirect = !(from == SequenceState.AWAITING_KV && to == SequenceState.PREFILLING);
                if (from.successors().contains(to) && isDirect) {
                    move.accept(sequence);
                    assertThat(sequence.state()).isEqualTo(to);
                } else if (isDirect) {
                    assertThatThrownBy(() -> move.accept(sequence))
                            .as("%s to %s", from, to)
                            .isInstanceOf(IllegalStateException.class)
                            .hasMessageContaining("cannot go from " + from);
                }
            });
        }
    }

    @Test
    void shouldHaveADeadlineInEveryWait() {
        for (SequenceState state : SequenceState.values()) {
            assertThat(in(state).waitDeadlineNs()).as("%s", state).isLessThanOrEqualTo(100);
        }
        assertThat(in(SequenceState.AWAITING_KV).waitDeadlineNs()).isEqualTo(50);
        assertThat(in(SequenceState.LENT).waitDeadlineNs()).isEqualTo(50);
    }

    @Test
    void shouldComputeOnlyTheLastPositionOfAPromptThatArrived() {
        Sequence sequence = sequence();
        sequence.awaitKv(4, 10, 50);
        sequence.kvArrived(800, 7);

        assertThat(sequence.state()).isEqualTo(SequenceState.DECODING);
        assertThat(sequence.pendingTokens()).isOne();
        assertThat(sequence.usage(20).handoff().remoteTokens()).isEqualTo(9 - 1 - 4);
        assertThat(sequence.waitDeadlineNs()).isEqualTo(100);
    }

    @Test
    void shouldKeepOnlyItsOwnCachedTokensWhenKvIsLost() {
        Sequence sequence = sequence();
        sequence.awaitKv(4, 10, 50);
        sequence.kvLost("gone");

        assertThat(sequence.state()).isEqualTo(SequenceState.PREFILLING);
        assertThat(sequence.computedTokens()).isEqualTo(4);
        assertThat(sequence.usage(20).handoff().recomputeReason()).contains("gone");
    }

    @Test
    void shouldMeasureItsTimes() {
        Sequence sequence = sequence();
        sequence.startPrefill(0, 11);
        sequence.advance(9);
        sequence.append(1, 31);
        sequence.advance(1);
        sequence.append(2, 61);

        assertThat(sequence.usage(99).times()).isEqualTo(new TokenEvent.Times(10, 20, 30));
        assertThat(sequence.usage(99).outputTokens()).isEqualTo(2);
        assertThat(Arrays.copyOfRange(sequence.tokens(), 9, 11)).containsExactly(1, 2);
    }

    @Test
    void shouldRefuseTokensBeforeEverythingIsComputed() {
        Sequence sequence = sequence();
        sequence.startPrefill(0, 11);
        sequence.advance(8);

        assertThatThrownBy(() -> sequence.append(1, 31)).hasMessageContaining("8 of 9");
        assertThatThrownBy(() -> sequence.advance(2)).hasMessageContaining("10 of 9");
    }

    @Test
    void shouldKeepItsBlocksWhileAPushIsOpen() {
        Sequence sequence = sequence();
        sequence.startPrefill(0, 5);
        assertThat(sequence.isPinned()).isFalse();
        sequence.beginPush();
        assertThat(sequence.isPinned()).isTrue();
        sequence.abandon();

        assertThat(sequence.state()).isEqualTo(SequenceState.PUSHING);
        assertThat(sequence.isAbandoned()).isTrue();
        sequence.endPush();
        assertThat(sequence.isPinned()).isFalse();
    }

    private static Sequence in(SequenceState state) {
        Sequence sequence = sequence();
        switch (state) {
            case WAITING -> {}
            case PREFILLING -> sequence.startPrefill(0, 5);
            case LENT -> {
                sequence.startPrefill(0, 5);
                sequence.lend(1, 6, 50);
            }
            case PUSHING -> {
                sequence.startPrefill(0, 5);
                sequence.awaitPush(1, 6, 50);
            }
            case AWAITING_KV -> sequence.awaitKv(0, 5, 50);
            case DECODING -> {
                sequence.startPrefill(0, 5);
                sequence.advance(9);
                sequence.append(1, 6);
            }
            case FINISHED -> sequence.finish();
        }
        assertThat(sequence.state()).isEqualTo(state);
        return sequence;
    }

    private static Sequence sequence() {
        var ticket = new HandoffTicket("peer", "host", 1, new long[] {1, 2, 3}, 7, Map.of());
        var request = new Request(
                "r", new int[9], SamplingOptions.greedy(5), new HandoffRole.Fetch(ticket), Duration.ofSeconds(1));
        return new Sequence(
                request, new Sequence.Admission(0, 0, 1, 100), new TokenQueue(5, stream -> {}), new StateCounts());
    }
}
