package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.HttpAddress;
import java.util.List;
import org.junit.jupiter.api.Test;

class GatewayConfigTest {
    private static final HttpAddress LISTEN = new HttpAddress("127.0.0.1", 8000);

    @Test
    void shouldTakeTheProxysDefaults() {
        GatewayConfig config = GatewayConfig.of(LISTEN, NodeLists.DEFAULT);
        assertThat(config.nodes().prefill()).containsExactly(new HttpAddress("localhost", 8001));
        assertThat(config.nodes().decode()).containsExactly(new HttpAddress("localhost", 8002));
        assertThat(config.retry().maxRetries()).isEqualTo(3);
    }

    @Test
    void shouldReportAllProblemsTogether() {
        NodeLists lists = new NodeLists(List.of("a", "b"), List.of(1), List.of("c", "c"), List.of(2, 2));
        assertThatThrownBy(() -> GatewayConfig.of(LISTEN, lists))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("--prefiller-hosts has 2 entries and --prefiller-ports 1")
                .hasMessageContaining("--decoder-hosts: c:2 is listed twice");
    }

    @Test
    void shouldHintAtAMissingBlankBetweenHosts() {
        NodeLists lists =
                new NodeLists(List.of("192.0.0.3192.0.0.3"), List.of(8100), List.of("192.0.0.310.0.0.12"), List.of(1));
        assertThatThrownBy(() -> GatewayConfig.of(LISTEN, lists))
                .hasMessageContaining("--prefiller-hosts: '192.0.0.3192.0.0.3' is not an address")
                .hasMessageContaining("as in '192.0.0.3 192.0.0.3'?")
                .hasMessageContaining("as in '192.0.0.3 10.0.0.12'?");
    }

    @Test
    void shouldRefuseAnAddressThatCannotBe() {
        NodeLists lists = new NodeLists(List.of("1.2.3.256"), List.of(70_000), List.of("a,b"), List.of(1));
        assertThatThrownBy(() -> GatewayConfig.of(LISTEN, lists))
                .hasMessageContaining("'1.2.3.256' is not an address")
                .hasMessageContaining("70000 is not within 1..65535")
                .hasMessageContaining("separate the arguments with blanks");
    }

    @Test
    void shouldRefuseToBeItsOwnNode() {
        NodeLists lists = new NodeLists(List.of("127.0.0.1"), List.of(8000), List.of("127.0.0.1"), List.of(8200));
        assertThatThrownBy(() -> GatewayConfig.of(LISTEN, lists)).hasMessageContaining("own address");
    }
}
