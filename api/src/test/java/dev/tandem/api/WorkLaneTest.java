package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class WorkLaneTest {
    private static final int ROOM = 2 * WorkLane.LEAST_WEIGHT;

    private final WorkLane lane = new WorkLane("work-lane-test", 1, ROOM);

    @Test
    void shouldRefuseWorkThatThereIsNoRoomFor() {
        var gate = new CountDownLatch(1);
        assertThat(lane.offer(ROOM, () -> await(gate))).isPresent();
        assertThat(lane.offer(1, () -> 1)).isEmpty();
        gate.countDown();
        assertThat(onceThereIsRoom(ROOM)).isTrue();
    }

    @Test
    void shouldHaveRoomAgainWhenWorkIsCalledOffBeforeItsTurn() {
        var gate = new CountDownLatch(1);
        Future<Boolean> working = lane.offer(1, () -> await(gate)).orElseThrow();
        Future<Boolean> waiting = lane.offer(1, () -> true).orElseThrow();
        assertThat(waiting.cancel(true)).isTrue();
        gate.countDown();
        assertThat(onceThereIsRoom(ROOM)).isTrue();
        assertThat(working.resultNow()).isTrue();
    }

    private static boolean await(CountDownLatch gate) throws InterruptedException {
        gate.await();
        return true;
    }

    /** The answer of work of that weight. */
    private boolean onceThereIsRoom(int weight) {
        return assertTimeoutPreemptively(Duration.ofSeconds(10), () -> {
            Optional<Future<Boolean>> taken = lane.offer(weight, () -> true);
            while (taken.isEmpty() && !Thread.interrupted()) {
                Thread.onSpinWait();
                taken = lane.offer(weight, () -> true);
            }
            return taken.orElseThrow().get();
        });
    }
}
