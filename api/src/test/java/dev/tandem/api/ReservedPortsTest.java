package dev.tandem.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.HttpServer;
import dev.tandem.api.server.HttpServerConfig;
import java.net.BindException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class ReservedPortsTest {
    private static final int PORT = 23_800;

    private final String host = Loopback.next();

    @Test
    void shouldRefuseEarlyClientsAndOtherSocketsWhileAPortIsHeld() throws Exception {
        var address = new InetSocketAddress(host, PORT);
        try (var reserved = new ReservedPorts()) {
            reserved.add(host, PORT);
            try (var client = new Socket()) {
                assertThatThrownBy(() -> client.connect(address)).isInstanceOf(ConnectException.class);
            }
            try (var other = new Socket()) { // as an outgoing connection is bound, or what asks for any port
                assertThatThrownBy(() -> other.bind(address)).isInstanceOf(BindException.class);
            }
        }
        try (var other = new Socket()) {
            other.bind(address);
            assertThat(other.isBound()).isTrue();
        }
    }

    @Test
    void shouldLetItsOwnersListenerComeUpBesideIt() throws Exception {
        HttpServer server;
        HttpCall call = HttpCall.get(new HttpAddress(host, PORT), "/");
        try (HttpClient client = HttpClient.start(HttpClientConfig.DEFAULT)) {
            try (var reserved = new ReservedPorts()) {
                reserved.add(host, PORT);
                server = HttpServer.start(
                        new HttpServerConfig(host, PORT, 2, 1 << 10, 8),
                        List.of(new BlockingRoute("GET", "/", exchange -> exchange.respondEmpty(200))));
                assertThat(server.port()).isEqualTo(PORT);
                assertThat(client.send(call, Duration.ofSeconds(20)).status()).isEqualTo(200);
            }
            try (HttpServer listening = server) {
                assertThat(client.send(call, Duration.ofSeconds(20)).status()).isEqualTo(200);
                assertThat(listening.port()).isEqualTo(PORT);
            }
        }
    }

    @Test
    void shouldTellOfAPortThatAnotherListensOn() throws Exception {
        try (var taken = new ServerSocket(0, 1, InetAddress.getByName(host));
                var reserved = new ReservedPorts()) {
            assertThatThrownBy(() -> reserved.add(host, taken.getLocalPort()))
                    .isInstanceOfSatisfying(
                            ApiException.class, e -> assertThat(e.kind()).isEqualTo(ApiException.Kind.ADDRESS_IN_USE))
                    .hasMessage("cannot listen on " + host + ":" + taken.getLocalPort()
                            + ": the port is in use by another process");
            assertThatThrownBy(() -> reserved.add("192.0.2.1", 8000))
                    .isInstanceOfSatisfying(
                            ApiException.class, e -> assertThat(e.kind()).isEqualTo(ApiException.Kind.ADDRESS_REFUSED));
        }
    }

    @Test
    void shouldHoldNothingWhereAnyPortWillDo() {
        try (var reserved = new ReservedPorts()) {
            reserved.add(host, 0);
            reserved.add("no such host", 0);
        }
    }
}
