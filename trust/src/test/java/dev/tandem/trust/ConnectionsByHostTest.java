package dev.tandem.trust;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.util.Comparator;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;

class ConnectionsByHostTest {
    private static final Predicate<String> ANY = connection -> true;

    private final ConnectionsByHost<String> connections = new ConnectionsByHost<>();

    private static String host(String address) {
        return PeerHost.of(InetAddress.ofLiteral(address));
    }

    @Test
    void shouldTakeAnIpv6NetworkForOneHost() {
        assertThat(host("2001:db8:1:2::1"))
                .isEqualTo(host("2001:db8:1:2:ffff::9"))
                .isEqualTo("2001:db8:1:2:0:0:0:0/64")
                .isNotEqualTo(host("2001:db8:1:3::1"));
        assertThat(host("10.0.0.1")).isEqualTo("10.0.0.1").isEqualTo(host("::ffff:10.0.0.1"));
    }

    @Test
    void shouldLetOneOfTheHostWithTheMostGiveWay() {
        connections.add("few", "b");
        connections.add("many", "d");
        connections.add("many", "c");
        assertThat(connections.ofLargest(ANY, Comparator.naturalOrder())).contains("c");
        assertThat(connections.ofLargest(ANY, (one, other) -> 0))
                .as("the oldest")
                .contains("d");
        assertThat(connections.ofLargest("b"::equals, Comparator.naturalOrder()))
                .contains("b");
        assertThat(connections.ofHost("few", ANY, Comparator.naturalOrder())).contains("b");
        assertThat(connections.ofLargest(String::isEmpty, Comparator.naturalOrder()))
                .isEmpty();
    }

    @Test
    void shouldForgetAHostWithItsLastConnection() {
        connections.add("a", "x");
        assertThat(connections.remove("a", "y")).isFalse();
        assertThat(connections.remove("a", "x")).isTrue();
        assertThat(connections.remove("a", "x")).isFalse();
        assertThat(connections.count()).isZero();
        assertThat(connections.of("a")).isEmpty();
        assertThat(connections.ofLargest(ANY, Comparator.naturalOrder())).isEmpty();
    }
}
