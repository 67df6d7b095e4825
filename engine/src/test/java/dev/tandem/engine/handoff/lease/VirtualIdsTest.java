package dev.tandem.engine.handoff.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.request.EngineException;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class VirtualIdsTest {
    private final LeaseDirectory directory = new LeaseDirectory();
    private final SplittableRandom random = new SplittableRandom(7);

    @Test
    void shouldNotLetOneLeaseTellWhereTheNextOneIs() {
        var ids = new VirtualIds(1L << 40, random, directory);
        long before = ids.take(5);
        int near = 0;
        for (int lease = 0; lease < 1_000; lease++) {
            long next = ids.take(5);
            near += Math.abs(next - before) < 1L << 20 ? 1 : 0;
            before = next;
        }
        assertThat(near).isLessThan(3);
    }

    /** Each of the upper bits is as often 1 as 0. */
    @Test
    void shouldDrawFromAllIds() {
        var ids = new VirtualIds(1L << 40, random, directory);
        int[] ones = new int[40];
        for (int lease = 0; lease < 4_000; lease++) {
            long first = ids.take(1);
            assertThat(first).isBetween(0L, (1L << 40) - 1);
            for (int bit = 0; bit < ones.length; bit++) {
                ones[bit] += (int) (first >>> bit & 1);
            }
        }
        for (int count : ones) {
            assertThat(count).isBetween(1_800, 2_200);
        }
    }

    @Test
    void shouldKeepAnUnusedIdBetweenLeases() {
        var ids = new VirtualIds(40, random, directory);
        directory.add(lease("r", 10, 8));
        for (int draw = 0; draw < 500; draw++) {
            long first = ids.take(3);
            assertThat(first + 3 < 10 || first > 18).as("%d", first).isTrue();
        }
    }

    @Test
    void shouldLeaveTheIdsOfEndedLeasesAlone() {
        var ids = new VirtualIds(40, random, directory);
        BlockLease over = lease("r", 10, 8);
        directory.add(over);
        directory.remove(over);
        for (int draw = 0; draw < 500; draw++) {
            long first = ids.take(3);
            assertThat(first + 3 < 10 || first > 18).as("%d", first).isTrue();
        }
    }

    @Test
    void shouldRememberOnlySoManyEndedLeases() {
        for (int ended = 0; ended <= LeaseDirectory.MAX_ENDED; ended++) {
            BlockLease over = lease("r", 10L * ended, 4);
            directory.add(over);
            directory.remove(over);
        }
        assertThat(directory.knew(0, 3)).as("the one that ended longest ago").isFalse();
        assertThat(directory.knew(10, 13)).isTrue();
    }

    @Test
    void shouldSayWhenLiveLeasesLeaveNoRoom() {
        var ids = new VirtualIds(40, random, directory);
        for (int lease = 0; lease < 4; lease++) {
            directory.add(lease("r" + lease, lease * 10, 8));
        }
        assertThatThrownBy(() -> ids.take(4))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.kind()).isEqualTo(EngineException.Kind.OVERLOADED))
                .hasMessageContaining("no 4");
    }

    private static BlockLease lease(String requestId, long first, int blocks) {
        return new BlockLease(
                requestId,
                first,
                new int[blocks],
                1,
                new BlockLease.Purpose.Reading(new ReleaseCounter(new ReleaseQuorum(1, 1, 1))));
    }
}
