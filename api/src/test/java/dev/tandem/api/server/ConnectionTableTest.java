package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.counter.Counters;
import io.netty.channel.Channel;
import io.netty.channel.embedded.EmbeddedChannel;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ConnectionTableTest {
    private static final int MOST = 16;

    private final Counters<HttpCounter> counters = new Counters<>(HttpCounter.class);
    private final ConnectionTable table = new ConnectionTable(ConnectionLimits.of(MOST), 1, 1, counters);

    private ClientConnection open(String address) {
        Channel channel = new EmbeddedChannel() {
            @Override
            protected SocketAddress remoteAddress0() {
                return new InetSocketAddress(InetAddress.ofLiteral(address), 1);
            }
        };
        return table.open(channel).orElseThrow();
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
}
