package dev.tandem.preflight.deployment;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.node.Machine;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.machine.SystemFiles;
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

    private static List<PlannedNode> twoNodes() {
        List<String> words = List.of(ROOT.resolve("models/tandem-fable").toString());
        return List.of(
                PlannedNode.of("prefill-0", words, () -> NodeEnvironment.read(Map.of()), MACHINE),
                PlannedNode.of("decode-0", words, () -> NodeEnvironment.read(Map.of()), MACHINE));
    }

    @Test
    void shouldAddUpWhatTheNodesOfThisMachineNeed() {
        List<PlannedNode> nodes = twoNodes();
        List<Finding> findings = new DeploymentCheck(SystemFiles.here()).memory(nodes);
        assertThat(findings)
                .extracting(Finding::subject)
                .startsWith("memory of prefill-0", "memory of decode-0", "memory of all nodes here");
        assertThat(findings.getFirst().found()).contains("of weights", "of KV for 1 rank", "bytes per token");
    }

    @Test
    void shouldRefuseNodesThatTheMachineHasNoMemoryFor() throws IOException {
        Files.createDirectories(folder.resolve("proc"));
        Files.writeString(folder.resolve("proc/meminfo"), "MemAvailable: 102400 kB\n");
        List<PlannedNode> nodes = twoNodes();
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
        String host = Loopback.next();
        List<PlannedPort> ports = List.of(new PlannedPort(host, 23_819, "a"), new PlannedPort(host, 23_821, "b"));
        List<Finding> findings = new DeploymentCheck(new SystemFiles(folder)).ports(host, ports);
        assertThat(findings).extracting(Finding::severity).containsExactly(Severity.WELL, Severity.WARNING);
        assertThat(findings.getLast().fix()).contains("ip_local_reserved_ports=23821");
    }
}
