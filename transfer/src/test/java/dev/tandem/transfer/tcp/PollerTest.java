package dev.tandem.transfer.tcp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class PollerTest {
    @Test
    @Timeout(60)
    void shouldNotWaitForATaskThatHangsWhenItCloses() throws IOException, InterruptedException {
        var stopped = new CountDownLatch(1);
        var poller = new Poller("poller", new Pace(0, System.nanoTime()));
        poller.start(new Poller.Owner() {
            @Override
            public long sweep(long nowNs) {
                return Long.MAX_VALUE;
            }

            @Override
            public void stopped(@Nullable Throwable cause) {
                stopped.countDown();
            }
        });
        var mayGoOn = new CountDownLatch(1);
        poller.execute(() -> {
            try {
                mayGoOn.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });

        poller.close(Duration.ofMillis(1));
        assertThat(stopped.getCount()).isEqualTo(1);

        mayGoOn.countDown();
        stopped.await();
    }
}
