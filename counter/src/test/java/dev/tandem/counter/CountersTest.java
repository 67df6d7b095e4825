package dev.tandem.counter;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CountersTest {
    private enum Door implements Counter {
        OPENED,
        LEFT_OPEN;

        @Override
        public String sentence() {
            return "Doors " + seriesName();
        }
    }

    private final Counters<Door> counters = new Counters<>(Door.class);

    @Test
    void shouldBeginAtZeroAndCountEachConstantByItself() {
        counters.increment(Door.OPENED);
        counters.add(Door.OPENED, 4);

        assertThat(counters.value(Door.OPENED)).isEqualTo(5);
        assertThat(counters.value(Door.LEFT_OPEN)).isZero();
    }

    @Test
    void shouldKeepASnapshotAsItWas() {
        counters.increment(Door.LEFT_OPEN);
        Map<Door, Long> before = counters.snapshot();
        counters.increment(Door.LEFT_OPEN);

        assertThat(before).containsExactly(Map.entry(Door.OPENED, 0L), Map.entry(Door.LEFT_OPEN, 1L));
    }

    @Test
    void shouldLoseNothingThatThreadsAddTogether() throws InterruptedException {
        var threads = new ArrayList<Thread>();
        for (int i = 0; i < 4; i++) {
            threads.add(Thread.ofPlatform().start(() -> {
                for (int round = 0; round < 10_000; round++) {
                    counters.increment(Door.OPENED);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }

        assertThat(counters.value(Door.OPENED)).isEqualTo(40_000);
    }

    @Test
    void shouldNameASeriesAfterTheConstant() {
        assertThat(Door.LEFT_OPEN.seriesName()).isEqualTo("left_open");
    }
}
