package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.SocketTimeoutException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The gateway's own port, which connections to nodes must not be given. */
@Timeout(60)
class GatewayPortTest {
    private static NodeLists nodes(ServerSocket prefill, ServerSocket decode) {
        List<String> hosts = List.of("127.0.0.1");
        return new NodeLists(hosts, List.of(prefill.getLocalPort()), hosts, List.of(decode.getLocalPort()));
    }

    @Test
    void shouldTakeTheNamedPortBeforeItCallsAnyNode() throws Exception {
        var loopback = InetAddress.getByName("127.0.0.1");
        try (var taken = new ServerSocket(0, 1, loopback);
                var prefill = new ServerSocket(0, 8, loopback);
                var decode = new ServerSocket(0, 8, loopback)) {
            var own = new HttpAddress("127.0.0.1", taken.getLocalPort());
            assertThatThrownBy(() -> Gateway.start(GatewayConfig.of(own, nodes(prefill, decode))))
                    .isInstanceOf(ApiException.class)
                    .hasMessageContaining(own + ": the port is in use");
            prefill.setSoTimeout(100);
            assertThatThrownBy(prefill::accept).isInstanceOf(SocketTimeoutException.class);
        }
    }

    @Test
    void shouldTellThePortThatItTookWhenAnyWillDo() throws Exception {
        try (FakeNode prefill = FakeNode.prefill();
                FakeNode decode = FakeNode.decode()) {
            List<String> hosts = List.of("127.0.0.1");
            var nodes = new NodeLists(hosts, List.of(prefill.port()), hosts, List.of(decode.port()));
            try (Gateway gateway = Gateway.start(GatewayConfig.of(new HttpAddress("127.0.0.1", 0), nodes))) {
                assertThat(gateway.port()).isPositive();
            }
        }
    }
}
