package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class LoopWatchTest {
    private static final LoopWatch.Schedule OFTEN = new LoopWatch.Schedule(Duration.ofMillis(20), 5);

    @Test
    void shouldNameTheLoopThatHangsUntilItRunsAgain() {
        try (EventLoops loops = EventLoops.start(2, OFTEN)) {
            assertThat(loops.trouble()).isEmpty();
            var mayGoOn = new CountDownLatch(1);
            loops.contexts().getLast().runOnContext(nothing -> {
                try {
                    mayGoOn.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            await(() -> loops.trouble().isPresent());
            assertThat(loops.trouble())
                    .contains("event loop " + loops.threads().getLast().getName() + " does not run");
            mayGoOn.countDown();
            await(() -> loops.trouble().isEmpty());
        }
    }

    @Test
    void shouldNameALoopThatIsDead() throws Exception {
        EventLoops loops = EventLoops.start(1, OFTEN);
        var watch = new LoopWatch(OFTEN, loops.contexts(), loops.threads());
        loops.close();
        watch.start();
        await(() -> watch.verdict().isPresent());
        watch.close();
    }

    private static void await(BooleanSupplier isTrue) {
        long endNs = System.nanoTime() + Duration.ofSeconds(50).toNanos();
        while (!isTrue.getAsBoolean()) {
            assertThat(System.nanoTime() - endNs).as("in time").isNegative();
            Thread.yield();
        }
    }
}
