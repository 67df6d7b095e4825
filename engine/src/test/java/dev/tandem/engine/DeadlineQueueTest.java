package dev.tandem.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.SamplingOptions;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.request.TokenQueue;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class DeadlineQueueTest {
    private final DeadlineQueue queue = new DeadlineQueue();
    private long arrivals;

    @Test
    void shouldGiveTheShortestWaitFirst() {
        Sequence late = add(300);
        Sequence early = add(100);
        assertThat(queue.nextDeadlineNs()).isEqualTo(100);
        assertThat(queue.hasExpired(99)).isFalse();
        assertThat(queue.hasExpired(100)).isTrue();
        assertThat(queue.first()).isSameAs(early);
        queue.remove(early);
        assertThat(queue.hasExpired(299)).isFalse();
        assertThat(queue.hasExpired(300)).isTrue();
        assertThat(queue.first()).isSameAs(late);
    }

    @Test
    void shouldTellSequencesOfOneDeadlineApart() {
        Sequence first = add(100);
        Sequence second = add(100);
        queue.remove(first);
        assertThat(queue.hasExpired(100)).isTrue();
        assertThat(queue.first()).isSameAs(second);
        queue.remove(second);
        assertThat(queue.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void shouldTakeTheEarlierEndOfAFetchAndForgetItWhenTheKvIsHere() {
        Sequence sequence = add(300);
        sequence.awaitKv(0, 0, 100);
        queue.update(sequence);
        assertThat(queue.nextDeadlineNs()).isEqualTo(100);
        sequence.kvArrived(1, 1);
        assertThat(queue.hasExpired(100)).isFalse();
        assertThat(queue.nextDeadlineNs()).isEqualTo(300);
        assertThat(queue.hasExpired(300)).isTrue();
    }

    @Test
    void shouldLeaveLentSequencesToTheirConnector() {
        Sequence sequence = add(300);
        sequence.startPrefill(0, 0);
        sequence.lend(5, 0, 100);
        assertThat(queue.hasExpired(1_000)).isFalse();
        assertThat(queue.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    private Sequence add(long deadlineNs) {
        var request = new Request(
                "r" + arrivals,
                new int[] {1, 2},
                SamplingOptions.greedy(5),
                new HandoffRole.None(),
                Duration.ofSeconds(1));
        var sequence = new Sequence(
                request,
                new Sequence.Admission(arrivals++, 0, 0, deadlineNs),
                new TokenQueue(5, stream -> {}),
                new StateCounts());
        queue.update(sequence);
        return sequence;
    }
}
