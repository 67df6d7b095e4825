package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import io.netty.channel.embedded.EmbeddedChannel;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ConnectionTableTest {
    private static final int MOST = 16;

    private final Counters<HttpCounter> counters = new Counters<>(HttpCounter.class);
    private final ConnectionTable table = new ConnectionTable(ConnectionLimits.of(MOST), 1, 1, counters);

    private final ConnectionTable sweeping = new ConnectionTable(
            new ConnectionLimits(8, Duration.ofSeconds(10), Duration.ofSeconds(75)),
            Duration.ofSeconds(60).toNanos(),
            1,
            counters);
    private final EmbeddedChannel channel = channel("127.0.0.9");
    private final ClientConnection connection = sweeping.open(channel).orElseThrow();
    private final long startNs = System.nanoTime();

    private ClientConnection open(String address) {
        return table.open(channel(address)).orElseThrow();
    }

    private static EmbeddedChannel channel(String address) {
        return new EmbeddedChannel() {
            @Override
            protected SocketAddress remoteAddress0() {
                return new InetSocketAddress(InetAddress.ofLiteral(address), 1);
            }
        };
    }

    @Test
    void shouldGiveAnIpv6NetworkNoMorePlacesThanAnAddress() {
        IntStream.range(1, 2 * MOST).forEach(host -> open("2001:db8:1:2::" + Integer.toHexString(host)));
        assertThat(counters.value(HttpCounter.CONNECTIONS_EVICTED)).isEqualTo(MOST + 1);
        open("2001:db8:1:3::1").exchangeBegins();
        open("10.0.0.1");
        assertThat(counters.value(HttpCounter.CONNECTIONS_EVICTED)).isEqualTo(MOST + 1);
    }

    @Test
    void shouldCountRequestsOfAnIpv6NetworkTogether() {
        ClientConnection one = open("2001:db8:1:2::1");
        one.exchangeBegins();
        open("2001:db8:1:2:ffff::2").exchangeBegins();
        open("2001:db8:1:3::1").exchangeBegins();
        assertThat(one.exchangesOfHost()).isEqualTo(2);
    }

    private void sweepAt(long milliseconds) {
        sweeping.sweep(startNs + TimeUnit.MILLISECONDS.toNanos(milliseconds));
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
