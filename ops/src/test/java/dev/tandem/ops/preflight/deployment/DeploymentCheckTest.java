package dev.tandem.ops.preflight.deployment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.Machine;
import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.preflight.Finding;
import dev.tandem.ops.preflight.Finding.Severity;
import dev.tandem.ops.preflight.machine.SystemFiles;
import dev.tandem.ops.topology.Topology;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeploymentCheckTest {
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
        List<PlannedNode> nodes = PlannedNode.of(topology("qwen3-2p1d.yaml"), MACHINE);
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
    void shouldAddUpWhatTheNodesOfThisMachineNeed() {
        List<PlannedNode> nodes = PlannedNode.of(topology("local-1p1d.yaml"), MACHINE);
        List<Finding> findings = new DeploymentCheck(SystemFiles.here()).memory(nodes);
        assertThat(findings)
                .extracting(Finding::subject)
                .startsWith("memory of prefill-0", "memory of decode-0", "memory of all nodes here");
        assertThat(findings.getFirst().found()).contains("of weights", "of KV for 1 rank", "bytes a token");
    }

    @Test
    void shouldRefuseNodesThatTheMachineHasNoMemoryFor() throws IOException {
        Files.createDirectories(folder.resolve("proc"));
        Files.writeString(folder.resolve("proc/meminfo"), "MemAvailable: 102400 kB\n");
        List<PlannedNode> nodes = PlannedNode.of(topology("local-1p1d.yaml"), MACHINE);
        assertThat(new DeploymentCheck(new SystemFiles(folder)).memory(nodes))
                .filteredOn(Finding::isError)
                .singleElement()
                .satisfies(finding -> assertThat(finding.found()).contains("100.0 MiB available"));
    }

    @Test
    void shouldSayThatASequenceDoesNotFitIntoTheKvMemory() {
        String checkpoint = ROOT.resolve("models/tandem-fable").toString();
        PlannedNode node = PlannedNode.of(
                List.of(checkpoint, "--max-model-len", "2048", "--kv-cache-memory-bytes", "65536"), Map.of(), MACHINE);
        assertThat(new DeploymentCheck(SystemFiles.here()).memory(List.of(node)))
                .filteredOn(Finding::isError)
                .singleElement()
                .satisfies(finding -> assertThat(finding.found()).contains("max model length 2048"));
    }

    @Test
    void shouldSayThatTheCheckpointIsNotThere() {
        PlannedNode node = PlannedNode.of(List.of(folder.resolve("none").toString()), Map.of(), MACHINE);
        assertThat(new DeploymentCheck(SystemFiles.here()).memory(List.of(node)))
                .filteredOn(Finding::isError)
                .singleElement()
                .satisfies(finding -> assertThat(finding.found()).contains("does not exist"));
    }

    @Test
    void shouldWarnOfPortsThatTheSystemGivesToConnections() throws IOException {
        Files.createDirectories(folder.resolve("proc/sys/net/ipv4"));
        Files.writeString(folder.resolve("proc/sys/net/ipv4/ip_local_port_range"), "23820\t60999\n");
        List<PlannedPort> ports =
                List.of(new PlannedPort("127.0.23.31", 23_819, "a"), new PlannedPort("127.0.23.31", 23_821, "b"));
        List<Finding> findings = new DeploymentCheck(new SystemFiles(folder)).ports("127.0.23.31", ports);
        assertThat(findings).extracting(Finding::severity).containsExactly(Severity.WELL, Severity.WARNING);
        assertThat(findings.getLast().mend()).contains("ip_local_reserved_ports=23821");
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
        assertThatThrownBy(() -> PlannedNode.of(Topology.read(file), MACHINE))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("prefill-0: GLOO_SOCKET_IFNAME=enp99s0 names no network interface")
                .hasMessageNotContaining("decode-0");
    }
}
