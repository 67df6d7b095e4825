package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.Loopback;
import dev.tandem.api.ReservedPorts;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.node.flags.ServeFlags;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class NamedPortsTest {
    private static final String HOST = Loopback.next();
    private static final int HTTP = 23_800;
    private static final int KV = 23_801;
    private static final Machine MACHINE = new Machine(Set.of("lo"), Set.of("127.0.0.1"));

    private static NodeConfig config(String checkpoint, String flags) {
        var all = new ArrayList<>(List.of(checkpoint, "--host", HOST));
        all.addAll(Arrays.asList(flags.split(" ")));
        return new NodeConfig(ServeFlags.parse(all), NodeEnvironment.read(Map.of(), MACHINE), 2);
    }

    private static ServerSocket taken() throws IOException {
        return new ServerSocket(0, 1, InetAddress.getByName(HOST));
    }

    @Test
    void shouldTellOfATakenHttpPortBeforeItOpensTheCheckpoint() throws IOException {
        try (ServerSocket taken = taken()) {
            assertThatThrownBy(() -> Node.start(config("no-such-checkpoint", "--port " + taken.getLocalPort())))
                    .isInstanceOf(ApiException.class)
                    .hasMessage("cannot listen on " + HOST + ":" + taken.getLocalPort()
                            + ": the port is in use by another process");
        }
    }

    @Test
    void shouldTellOfATakenPortForJoinsBeforeItOpensTheCheckpoint() throws IOException {
        try (ServerSocket taken = taken()) {
            String flags = "--port 0 --data-parallel-size 2 --data-parallel-size-local 1 --data-parallel-address "
                    + HOST + " --data-parallel-rpc-port " + taken.getLocalPort();
            assertThatThrownBy(() -> Node.start(config("no-such-checkpoint", flags)))
                    .isInstanceOf(NodeException.class)
                    .hasMessageStartingWith("--data-parallel-address and --data-parallel-rpc-port: cannot listen on ")
                    .hasMessageContaining(HOST + ":" + taken.getLocalPort());
        }
    }

    @Test
    void shouldLetGoOfEveryPortWhenTheNodeCannotStart() throws IOException {
        String flags = "--port " + HTTP + " --kv-transfer-config "
                + "{\"kv_connector\":\"MooncakeConnectorV1\",\"kv_role\":\"kv_producer\",\"kv_port\":\"" + KV + "\"}";
        assertThatThrownBy(() -> Node.start(config("no-such-checkpoint", flags)))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("checkpoint no-such-checkpoint does not exist");
        for (int port : new int[] {HTTP, KV}) {
            try (var free = new ServerSocket(port, 1, InetAddress.getByName(HOST))) {
                assertThat(free.isBound()).isTrue();
            }
        }
    }

    @Test
    void shouldListenOnThePortsThatItReservedAndReportTheOneThatItTook() throws IOException {
        Path model = Path.of(System.getProperty("tandem.root"), "models", "tandem-fable");
        String transfer = " --kv-transfer-config "
                + "{\"kv_connector\":\"MooncakeConnectorV1\",\"kv_role\":\"kv_producer\",\"kv_port\":\"" + KV + "\"}";
        String memory = " --max-model-len 256 --gpu-memory-utilization 0.05";
        try (Node named = Node.start(config(model.toString(), "--port " + HTTP + transfer + memory));
                Node any = Node.start(config(model.toString(), "--port 0" + memory))) {
            assertThat(named.report().address()).isEqualTo(new NodeReport.Address(HOST, HTTP));
            assertThat(named.report().sideChannel()).contains(HOST + ":" + KV);
            assertThat(any.report().address().port()).isPositive().isNotEqualTo(HTTP);
            assertThat(any.report().toMap())
                    .containsEntry("port", any.report().address().port());
            try (HttpClient client = HttpClient.start(HttpClientConfig.DEFAULT)) {
                for (Node node : List.of(named, any)) {
                    var address = new HttpAddress(HOST, node.report().address().port());
                    assertThat(client.send(HttpCall.get(address, "/health"), Duration.ofSeconds(20))
                                    .status())
                            .isEqualTo(200);
                }
            }
        }
    }

    @Test
    void shouldNameTheRankWhosePortIsTakenAndAPortThatIsFree() throws IOException {
        var loopback = InetAddress.getByName("127.0.0.1");
        try (var taken = new ServerSocket(0, 1, loopback);
                var reserved = new ReservedPorts()) {
            var plan = new PortPlan(taken.getLocalPort() - 3, 2, 0, 2);
            assertThatThrownBy(() -> NamedPorts.reserveSideChannels(reserved, plan, "127.0.0.1"))
                    .isInstanceOf(FlagException.class)
                    .hasMessageContaining("127.0.0.1:")
                    .hasMessageContaining("this node's ranks need the ports " + plan.range());
            assertThatThrownBy(() -> NamedPorts.reserveSideChannels(
                            reserved, new PortPlan(taken.getLocalPort(), 1, 0, 1), "127.0.0.1"))
                    .hasMessageContaining("dp rank 0, tp rank 0")
                    .hasMessageContaining("127.0.0.1:" + taken.getLocalPort())
                    .hasMessageContaining("with kv_port ");
        }
    }
}
