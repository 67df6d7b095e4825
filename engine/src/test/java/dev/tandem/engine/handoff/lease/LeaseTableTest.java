package dev.tandem.engine.handoff.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.request.EngineException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class LeaseTableTest {
    private static final long TIMEOUT_NS = 1_000;
    private static final OptionalLong NO_LEASE = OptionalLong.empty(); // as foreign decode nodes say

    private final LeaseDirectory directory = new LeaseDirectory();
    private final Counters<HandoffCounter> counters = new Counters<>(HandoffCounter.class);
    private final AtomicInteger wakes = new AtomicInteger();
    private final LeaseTable leases = new LeaseTable(
            TIMEOUT_NS,
            new ReleaseQuorum(2, 1, 1),
            new VirtualIds(1L << 40, new SplittableRandom(5), directory),
            directory,
            counters,
            wakes::incrementAndGet);

    @Test
    void shouldReleaseByTheDoneMessage() {
        BlockLease lease = leases.lend("r", new int[] {4, 2}, 0);
        leases.done("r", 0, Map.of(), NO_LEASE);
        assertThat(wakes).hasValue(1);
        assertEnded(poll(10), "r", Reason.RELEASED, 4, 2);
        assertThat(lease.tryOpen()).isFalse();
        assertThat(directory.holding(lease.firstVirtualId(), lease.firstVirtualId()))
                .isNull();
        assertThat(leases.leases()).isZero();
    }

    @Test
    void shouldTakeTheWordOnlyOfWhoKnowsTheLease() {
        BlockLease lease = leases.lend("r", new int[] {4}, 0);
        assertThat(leases.done("r", 0, Map.of(), OptionalLong.of(lease.firstVirtualId() + 1)))
                .isFalse();
        assertThat(poll(10)).isEmpty();
        assertThat(counters.value(HandoffCounter.DONE_UNKNOWN)).isEqualTo(1);
        assertThat(leases.done("r", 0, Map.of(), OptionalLong.of(lease.firstVirtualId())))
                .isTrue();
        assertEnded(poll(11), "r", Reason.RELEASED, 4);
    }

    @Test
    void shouldExpireAtTheDeadlineAndNotBefore() {
        leases.lend("r", new int[] {4}, 100);
        leases.lend("s", new int[] {5}, 600);
        assertThat(leases.nextDeadlineNs()).isEqualTo(1_100);
        assertThat(poll(1_099)).isEmpty();
        assertEnded(poll(1_100), "r", Reason.EXPIRED, 4);
        assertThat(leases.nextDeadlineNs()).isEqualTo(1_600);
        assertEnded(poll(5_000), "s", Reason.EXPIRED, 5);
        assertThat(leases.nextDeadlineNs()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void shouldExpireAcrossTheWrapOfTheClock() {
        long nowNs = Long.MAX_VALUE - 10;
        leases.lend("r", new int[] {4}, nowNs);
        assertThat(poll(nowNs + 500)).isEmpty();
        assertEnded(poll(nowNs + TIMEOUT_NS), "r", Reason.EXPIRED, 4);
    }

    @Test
    void shouldGiveBlocksBackOnCancel() {
        leases.lend("r", new int[] {4}, 0);
        leases.cancel("r");
        leases.cancel("unknown");
        assertEnded(poll(1), "r", Reason.CANCELLED, 4);
    }

    @Test
    void shouldKeepBlocksUntilOpenAccessesAreClosed() {
        BlockLease lease = leases.lend("r", new int[] {4}, 0);
        assertThat(lease.tryOpen()).isTrue();
        leases.done("r", 0, Map.of(), NO_LEASE);
        assertThat(poll(1)).isEmpty();
        assertThat(leases.leases()).isEqualTo(1);
        assertThat(lease.closeOne()).isTrue();
        leases.quiesced(lease);
        assertEnded(poll(2), "r", Reason.RELEASED, 4);
    }

    @Test
    void shouldCountUnknownAndRepeatedDoneMessages() {
        leases.lend("r", new int[] {4}, 0);
        leases.done("never", 0, Map.of(), NO_LEASE);
        leases.done("r", 0, Map.of(), NO_LEASE);
        leases.done("r", 0, Map.of(), NO_LEASE);
        assertThat(poll(1)).hasSize(1);
        leases.done("r", 0, Map.of(), NO_LEASE);
        assertThat(poll(2)).isEmpty();
        assertThat(counters.value(HandoffCounter.DONE_UNKNOWN)).isEqualTo(2);
    }

    @Test
    void shouldWaitForAsManyDoneMessagesAsReadersWereAnnounced() {
        leases.lend("r", new int[] {4}, 0);
        leases.done("r", 0, Map.of(0, 1, 1, 2), NO_LEASE);
        leases.done("r", 1, Map.of(0, 1, 1, 2), NO_LEASE);
        assertThat(poll(1)).isEmpty();
        leases.done("r", 1, Map.of(0, 1, 1, 2), NO_LEASE);
        assertThat(poll(2)).hasSize(1);
    }

    @Test
    void shouldIgnoreADoneMessageThatComesAfterTheDeadline() {
        leases.lend("r", new int[] {4}, 0);
        BlockLease second = leases.lend("s", new int[] {5}, 500);
        assertEnded(poll(1_200), "r", Reason.EXPIRED, 4);
        leases.done("r", 0, Map.of(), NO_LEASE);
        assertThat(poll(1_201)).isEmpty();
        assertThat(second.tryOpen()).isTrue();
    }

    @Test
    void shouldRefuseToLendTwiceUnderOneId() {
        leases.lend("r", new int[] {4}, 0);
        assertThatThrownBy(() -> leases.lend("r", new int[] {5}, 0))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("in use");
    }

    @Test
    void shouldGiveFreshVirtualIdsToEachLease() {
        BlockLease first = leases.lend("r", new int[] {4}, 0);
        leases.done("r", 0, Map.of(), NO_LEASE);
        poll(1);
        BlockLease second = leases.lend("r", new int[] {4}, 2);
        assertThat(second.firstVirtualId()).isNotEqualTo(first.firstVirtualId());
    }

    private List<HandoffEvent> poll(long nowNs) {
        var events = new ArrayList<HandoffEvent>();
        leases.poll(nowNs, events);
        return events;
    }

    private static void assertEnded(List<HandoffEvent> events, String requestId, Reason reason, int... blockIds) {
        assertThat(events).hasSize(1);
        assertThat(events.getFirst()).isInstanceOfSatisfying(LeaseEnded.class, ended -> {
            assertThat(ended.requestId()).isEqualTo(requestId);
            assertThat(ended.reason()).isEqualTo(reason);
            assertThat(ended.blockIds()).containsExactly(blockIds);
        });
    }
}
