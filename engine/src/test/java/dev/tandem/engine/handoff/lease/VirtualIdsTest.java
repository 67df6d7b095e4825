package dev.tandem.engine.handoff.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.request.EngineException;
import org.junit.jupiter.api.Test;

class VirtualIdsTest {
    private final LeaseDirectory directory = new LeaseDirectory();

    @Test
    void shouldGiveFreshRunsWithAnUnusedIdBetween() {
        var ids = new VirtualIds(100, 10, 1_000, directory);
        assertThat(ids.take(5, 0)).isEqualTo(10);
        assertThat(ids.take(1, 0)).isEqualTo(16);
        assertThat(ids.take(3, 0)).isEqualTo(18);
    }

    @Test
    void shouldWrapWhenTheQuartersAreQuiet() {
        var ids = new VirtualIds(40, 0, 1_000, directory);
        long nowNs = 0;
        for (int lease = 0; lease < 200; lease++) {
            assertThat(ids.take(4, nowNs)).isBetween(0, 36);
            nowNs += 500;
        }
    }

    @Test
    void shouldRefuseToReuseIdsThatWereGivenShortlyBefore() {
        var ids = new VirtualIds(40, 0, 1_000, directory);
        for (int lease = 0; lease < 8; lease++) {
            ids.take(4, lease);
        }
        assertThatThrownBy(() -> ids.take(4, 20))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(EngineException.Kind.OVERLOADED));
        assertThat(ids.take(4, 2_000)).isZero();
    }

    @Test
    void shouldRestIdsFromTheEndOfALongLeaseOn() {
        var ids = new VirtualIds(400, 0, 1_000, directory);
        int first = ids.take(99, 0);
        for (int quarter = 1; quarter < 4; quarter++) {
            ids.take(99, 0);
        }
        ids.rest(first, first + 99, 20_000);
        assertThatThrownBy(() -> ids.take(9, 20_500))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("run out");
        assertThat(ids.take(9, 21_000)).isZero();
    }

    @Test
    void shouldStepOverLiveLeasesWhenItComesRoundAgain() {
        var ids = new VirtualIds(40, 0, 10, directory);
        int first = ids.take(4, 0);
        directory.add(new BlockLease(
                "long",
                first,
                new int[4],
                1_000_000,
                new BlockLease.Purpose.Reading(new ReleaseCounter(new ReleaseQuorum(1, 1, 1)))));
        for (int lap = 1; lap < 50; lap++) {
            int taken = ids.take(3, lap * 100L);
            assertThat(taken).as("lap %d", lap).isGreaterThan(first + 4);
        }
    }

    @Test
    void shouldSayWhenLiveLeasesLeaveNoRoom() {
        var ids = new VirtualIds(40, 0, 10, directory);
        for (int lease = 0; lease < 4; lease++) {
            directory.add(new BlockLease(
                    "r" + lease,
                    lease * 10,
                    new int[8],
                    1,
                    new BlockLease.Purpose.Reading(new ReleaseCounter(new ReleaseQuorum(1, 1, 1)))));
        }
        assertThatThrownBy(() -> ids.take(4, 100))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("no 4");
    }
}
