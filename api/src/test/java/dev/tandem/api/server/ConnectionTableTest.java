package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import io.netty.channel.embedded.EmbeddedChannel;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ConnectionTableTest {
    private static final ConnectionLimits LIMITS =
            new ConnectionLimits(8, Duration.ofSeconds(10), Duration.ofSeconds(75));

    private final ConnectionTable table =
            new ConnectionTable(LIMITS, Duration.ofSeconds(60).toNanos(), 1, new Counters<>(HttpCounter.class));
    private final EmbeddedChannel channel = new EmbeddedChannel();
    private final ClientConnection connection = table.open(channel, "127.0.0.9").orElseThrow();
    private final long startNs = System.nanoTime();

    private void sweepAt(long milliseconds) {
        table.sweep(startNs + TimeUnit.MILLISECONDS.toNanos(milliseconds));
    }

    @Test
    void shouldCloseAConnectionWithoutAHead() {
        for (int second = 1; second < 10; second++) {
            sweepAt(second * 1_000);
            assertThat(channel.isOpen()).as("after %d s", second).isTrue();
        }
        sweepAt(11_000);
        assertThat(channel.isOpen()).isFalse();
    }

    /** The head has come while the process was stopped, and the loop first runs the timers that it has missed. */
    @Test
    void shouldReadWhatCameWhileItStoodStillBeforeItJudges() {
        sweepAt(1_000);
        sweepAt(18_000);
        sweepAt(18_001); // a timer's missed runs may follow at once
        assertThat(channel.isOpen()).isTrue();
        connection.headBegins();
        connection.exchangeBegins();
        sweepAt(19_001);
        assertThat(channel.isOpen()).isTrue();
    }

    @Test
    void shouldCloseWhatHasSentNothingAlsoAfterItStoodStill() {
        sweepAt(1_000);
        sweepAt(18_000);
        sweepAt(19_001);
        assertThat(channel.isOpen()).isFalse();
    }

    @Test
    void shouldJudgeAlthoughEverySweepComesLate() {
        sweepAt(14_000);
        sweepAt(28_000);
        assertThat(channel.isOpen()).isFalse();
    }
}
