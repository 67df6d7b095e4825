package dev.tandem.preflight.ranktable;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.FlagException;
import dev.tandem.preflight.ranktable.HostNetwork.Card;
import java.io.IOException;
import java.net.InetAddress;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class LocalNodesTest {
    private static final HostNetwork NETWORK = new HostNetwork(List.of(
            new Card("lo", true, addresses("127.0.0.1")),
            new Card("enp23s0f3", false, addresses("172.22.0.155", "172.22.0.156")),
            new Card("docker0", false, addresses("172.17.0.1"))));
    private static final List<String> NODES = List.of("172.22.0.218", "172.22.0.155");

    private static List<InetAddress> addresses(String... literals) {
        return Stream.of(literals).map(InetAddress::ofLiteral).toList();
    }

    private static List<Integer> chosen(List<String> nodes, String card) {
        return LocalNodes.choose(nodes, Optional.of(card), Optional.empty(), NETWORK);
    }

    @Test
    void shouldFindTheNodeThatHasTheCardsAddress() {
        assertThat(chosen(NODES, "enp23s0f3")).containsExactly(1);
    }

    @Test
    void shouldNameTheCardsThatThereAre() {
        assertThatThrownBy(() -> chosen(NODES, "eth0"))
                .isInstanceOf(FlagException.class)
                .hasMessageContainingAll(
                        "--network-card-name eth0", "lo (127.0.0.1)", "enp23s0f3 (172.22.0.155, 172.22.0.156)");
    }

    @Test
    void shouldNameTheCardThatHasAnAddressWhenAnotherWasGiven() {
        assertThatThrownBy(() -> chosen(NODES, "docker0"))
                .isInstanceOf(FlagException.class)
                .hasMessage("--network-card-name docker0 (172.17.0.1) has none of --ips [172.22.0.218, 172.22.0.155];"
                        + " 172.22.0.155 is on enp23s0f3");
    }

    @Test
    void shouldStandForAllNodesWhenAllAreHere() {
        assertThat(chosen(List.of("127.0.21.1", "127.0.21.2"), "lo")).containsExactly(0, 1);
        assertThat(chosen(List.of("172.22.0.156", "172.22.0.155"), "enp23s0f3")).containsExactly(0, 1);
    }

    @Test
    void shouldAskWhichNodeItIsWhenSomeAreHere() {
        List<String> three = List.of("172.22.0.156", "172.22.0.155", "172.22.0.218");
        assertThatThrownBy(() -> chosen(three, "enp23s0f3"))
                .hasMessageContainingAll("[172.22.0.156, 172.22.0.155]", "--local-ip");
        assertThat(LocalNodes.choose(three, Optional.of("enp23s0f3"), Optional.of("172.22.0.155"), NETWORK))
                .containsExactly(1);
    }

    @Test
    void shouldRefuseALocalAddressThatIsNone() {
        assertThatThrownBy(() -> LocalNodes.choose(NODES, Optional.of("lo"), Optional.of("172.22.0.155"), NETWORK))
                .hasMessage("--local-ip 172.22.0.155 is not an address of lo (127.0.0.1)");
        assertThatThrownBy(() -> LocalNodes.choose(NODES, Optional.empty(), Optional.of("172.22.0.1"), NETWORK))
                .hasMessageContaining("--local-ip 172.22.0.1 is not in --ips");
    }

    @Test
    void shouldSeeTheLoopbackCardOfThisMachine() throws IOException {
        HostNetwork here = HostNetwork.here();
        assertThat(here.isOwn(InetAddress.ofLiteral("127.0.21.7"))).isTrue();
        assertThat(here.isOwn(InetAddress.ofLiteral("192.0.2.1"))).isFalse();
        assertThat(here.holder(InetAddress.ofLiteral("127.0.21.7"))
                        .orElseThrow()
                        .isLoopback())
                .isTrue();
    }
}
