package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ThreadEndTest {
    private final CountDownLatch mayEnd = new CountDownLatch(1);
    private final Thread thread = Thread.ofPlatform().daemon().start(() -> {
        try {
            mayEnd.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    });

    @Test
    void shouldNotWaitForAThreadThatHangs() {
        assertThat(ThreadEnd.await(thread, Duration.ofMillis(1))).isFalse();
        mayEnd.countDown();
    }

    @Test
    void shouldWaitForTheEndAlsoWhenInterruptedAndKeepTheInterrupt() {
        Thread.currentThread().interrupt();
        mayEnd.countDown();
        assertThat(ThreadEnd.await(thread, Duration.ofSeconds(50))).isTrue();
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void shouldTakeAThreadThatNeverStartedForEnded() {
        assertThat(ThreadEnd.await(Thread.ofPlatform().unstarted(() -> {}), Duration.ofSeconds(50)))
                .isTrue();
    }
}
