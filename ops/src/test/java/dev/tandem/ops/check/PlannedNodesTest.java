package dev.tandem.ops.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.Machine;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.topology.Topology;
import dev.tandem.preflight.deployment.PlannedNode;
import dev.tandem.preflight.deployment.PlannedPort;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PlannedNodesTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final Machine MACHINE = Machine.here();

    @TempDir
    private Path folder;

    private static Topology topology(String name) {
        Topology read = Topology.read(ROOT.resolve("topologies").resolve(name));
        return read.under(ROOT, read.model().servedName());
    }

    @Test
    void shouldKnowThePortsOfEveryNodeOfATopology() {
        List<PlannedNode> nodes = PlannedNodes.of(topology("qwen3-2p1d.yaml"), MACHINE);
        assertThat(nodes).hasSize(4).allMatch(PlannedNode::isHere);
        assertThat(nodes.getFirst().ports())
                .extracting(PlannedPort::port)
                .startsWith(8004)
                .contains(30000, 30015)
                .hasSize(17);
        assertThat(nodes.get(2).ports()).extracting(PlannedPort::port).contains(8004, 5964, 30200);
        assertThat(nodes.get(3).ports())
                .extracting(PlannedPort::port)
                .doesNotContain(8004, 5964)
                .contains(30316);
    }

    @Test
    void shouldNameTheNodeWhoseVariablesThisMachineCannotCarryOut() throws IOException {
        Path file = folder.resolve("bad.yaml");
        Files.writeString(file, """
                model: models/tandem-fable
                gateway: {host: 127.0.23.32, port: 8080}
                environment: {GLOO_SOCKET_IFNAME: enp99s0}
                prefill: [{host: 127.0.23.33, port: 8100, kv-port: 30000}]
                decode: [{host: 192.0.2.77, port: 8200, kv-port: 30100}]
                """);
        assertThatThrownBy(() -> PlannedNodes.of(Topology.read(file), MACHINE))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("prefill-0: GLOO_SOCKET_IFNAME=enp99s0 names no network interface")
                .hasMessageNotContaining("decode-0");
    }
}
