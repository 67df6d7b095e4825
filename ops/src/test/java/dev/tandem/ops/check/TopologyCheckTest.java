package dev.tandem.ops.check;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Topologies through the rules of start scripts. */
class TopologyCheckTest {
    private static final Path TOPOLOGIES = Path.of(System.getProperty("tandem.root"), "topologies");

    @TempDir
    Path folder;

    private List<Finding> check(String topology) {
        try {
            return TopologyCheck.check(Files.writeString(folder.resolve("cluster.yaml"), topology));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String nodes(String prefill, String decode) {
        return """
                model: /model/qwen3
                served-model-name: qwen3
                gateway: {host: 127.0.24.1, port: 8080}
                prefill:
                  - {host: 127.0.24.2, port: 8100, kv-port: 40000, %s}
                decode:
                  - {host: 127.0.24.3, port: 8200, kv-port: 40100, %s}
                """.formatted(prefill, decode);
    }

    @Test
    void shouldFindNoErrorInTheTopologiesOfTheProject() throws IOException {
        try (Stream<Path> files = Files.list(TOPOLOGIES)) {
            assertThat(files.filter(file -> file.toString().endsWith(".yaml")))
                    .isNotEmpty()
                    .allSatisfy(file -> assertThat(
                                    TopologyCheck.check(file).stream().filter(Finding::isError))
                            .as(file.toString())
                            .isEmpty());
        }
    }

    @Test
    void shouldSayOfAProcessWhatItSaysOfAScript() {
        assertThat(check(nodes(
                        "flags: {max-model-len: 4096}", "flags: {max-model-len: 8192, max-num-batched-tokens: 512}")))
                .anySatisfy(finding -> {
                    assertThat(finding.severity()).isEqualTo(Severity.WARNING);
                    assertThat(finding.subject()).isEqualTo(folder.resolve("cluster.yaml") + " decode-0");
                    assertThat(finding.found())
                            .isEqualTo("--max-model-len is 8192 here and 4096 in " + folder.resolve("cluster.yaml")
                                    + " prefill-0");
                })
                .anySatisfy(finding -> assertThat(finding.found()).contains("is cut into chunks"));
    }

    @Test
    void shouldWarnOfReservedPorts() {
        assertThat(TopologyCheck.check(TOPOLOGIES.resolve("qwen3-2p1d.yaml"))).anySatisfy(finding -> {
            assertThat(finding.subject()).endsWith("qwen3-2p1d.yaml decode-1");
            assertThat(finding.found()).contains("30316-30331 lie in 20000-35999");
        });
    }

    @Test
    void shouldMakeARefusedTopologyAFinding() {
        assertThat(check(nodes("engine-id: 7", "engine-id: 7"))).singleElement().satisfies(finding -> {
            assertThat(finding.isError()).isTrue();
            assertThat(finding.found()).contains("two nodes have the engine-id 7");
            assertThat(finding.fix()).isNotEmpty();
        });
        assertThat(check(nodes("flags: {max-num-seqs: 600, max-num-batched-tokens: 512}", "flags: {seed: 1}")))
                .singleElement()
                .satisfies(finding -> assertThat(finding.found()).contains("prefill-0: --max-num-batched-tokens"));
        assertThat(TopologyCheck.check(folder.resolve("absent.yaml")))
                .singleElement()
                .satisfies(finding -> assertThat(finding.found()).contains("absent.yaml cannot be read"));
    }

    @Test
    void shouldLookAtInterfacesWhereTheNodeIsOnThisMachine() {
        assertThat(check(nodes("environment: {GLOO_SOCKET_IFNAME: no-such-card}", "flags: {seed: 0}")))
                .anySatisfy(finding -> {
                    assertThat(finding.isError()).isTrue();
                    assertThat(finding.found())
                            .isEqualTo("GLOO_SOCKET_IFNAME=no-such-card names no network interface of this machine");
                });
    }

    @Test
    void shouldHoldTheRankTableAgainstTheNodesThatReadIt() throws IOException {
        String deepSeek = Files.readString(TOPOLOGIES.resolve("deepseek-1p1d.yaml"));
        assertThat(check(deepSeek).stream().filter(finding -> !finding.fix().isEmpty()))
                .isEmpty();
        assertThat(check(deepSeek.replace(
                        "    - host: 127.0.2.2\n",
                        "    - host: 127.0.2.2\n      environment:"
                                + " {DISAGGREGATED_PREFILL_RANK_TABLE_PATH: /elsewhere/table.json}\n")))
                .anySatisfy(finding -> {
                    assertThat(finding.subject()).endsWith("decode-0");
                    assertThat(finding.found())
                            .startsWith(
                                    "the rank table is read from /elsewhere/table.json and written to ranktable.json");
                });
        assertThat(check(deepSeek.replaceAll("  \\w+_SOCKET_IFNAME: lo\n", ""))).noneMatch(Finding::isError);
    }
}
