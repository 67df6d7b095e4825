package dev.tandem.systemtest.guide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.LaunchScript;
import dev.tandem.ops.topology.Topology;
import dev.tandem.preflight.script.shell.ShellCommand;
import dev.tandem.preflight.script.shell.ShellScript;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** {@code tandem up topologies/qwen3-2p1d.yaml --print} beside the guide. */
class LaunchScriptTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final Path FILE = ROOT.resolve("topologies/qwen3-2p1d.yaml");
    private static final List<String> LAYERWISE_ONLY =
            List.of("ASCEND_AGGREGATE_ENABLE", "ASCEND_TRANSPORT_PRINT", "ACL_OP_INIT_MODE", "ASCEND_A3_ENABLE");

    @TempDir
    Path folder;

    private static String script(Path file) {
        Topology topology = Topology.read(file);
        return LaunchScript.of(topology, LaunchPlan.of(topology));
    }

    private Path pull() throws IOException {
        return Files.writeString(
                folder.resolve("pull.yaml"),
                Files.readString(FILE).replace("connector: layerwise # or pull", "connector: pull"));
    }

    private static List<ShellScript> scripts(Path file) {
        return Arrays.stream(script(file).split("\n\n")).map(ShellScript::of).toList();
    }

    /** A guide's node with the addresses, the interface and the checkpoint of the topology. */
    private static ShellScript guide(Guide.Block block) {
        Guide.Block own = block.with("vllm serve", "tandem serve")
                .with("/model/Qwen3-235B-A22B-W8A8", "fixtures/golden/qwen3-moe-w8a8")
                .with("/mnt/weight/Qwen3-235B-A22B-W8A8", "fixtures/golden/qwen3-moe-w8a8")
                .with("eth0", "lo")
                .with("--max-num_seqs", "--max-num-seqs");
        for (int i = 1; i <= 4; i++) {
            own = own.with("192.0.0." + i, "127.0.1." + i);
        }
        return own.with("0.0.0.0", own.script().variables().get("HCCL_IF_IP")).script();
    }

    /** Words with the JSON of the connector in one form, without the key that the guide gives one node only. */
    private static List<String> comparable(List<String> words) {
        var all = new ArrayList<>(words);
        ObjectNode json = (ObjectNode) JsonMapper.shared().readTree(all.removeLast());
        ((ObjectNode) json.path("kv_connector_extra_config")).remove("use_ascend_direct");
        all.add(json.toString());
        return all;
    }

    @Test
    void shouldPrintTheCommandsOfBothVariantsOfTheGuide() throws IOException {
        for (String section : List.of("layerwise", "mooncake")) {
            List<ShellScript> printed = scripts(section.equals("layerwise") ? FILE : pull());
            List<Guide.Block> nodes = Guide.nodes("qwen3-235b-2p1d-mooncake.md").stream()
                    .filter(block -> block.section().equals(section))
                    .toList();
            for (int i = 0; i < nodes.size(); i++) {
                ShellScript expected = guide(nodes.get(i));
                assertThat(comparable(printed.get(i).commands().getFirst().words()))
                        .as(section + " " + nodes.get(i).tab())
                        .isEqualTo(comparable(expected.commands().getFirst().words()));
                var variables = new ArrayList<>(printed.get(i).variables().entrySet());
                if (section.equals("mooncake")) {
                    variables.removeIf(variable -> LAYERWISE_ONLY.contains(variable.getKey()));
                }
                assertThat(variables)
                        .containsExactlyElementsOf(expected.variables().entrySet());
            }
        }
    }

    @Test
    void shouldAskTheGuidesQuestion() {
        ShellScript printed = scripts(FILE).getLast();
        ShellScript guide = ShellScript.of(Guide.blocks("qwen3-235b-2p1d-mooncake.md").stream()
                .map(Guide.Block::text)
                .filter(text -> text.startsWith("curl"))
                .findFirst()
                .orElseThrow()
                .replace("192.0.0.1", "127.0.1.1"));
        assertThat(printed.commands())
                .extracting(ShellCommand::words)
                .isEqualTo(guide.commands().stream().map(ShellCommand::words).toList());
    }

    @Test
    void shouldPrintTheScriptsThatAreKept() throws IOException {
        assertThat(script(FILE)).isEqualTo(kept("qwen3-2p1d-layerwise.sh"));
        assertThat(script(pull())).isEqualTo(kept("qwen3-2p1d-pull.sh"));
        assertThat(script(ROOT.resolve("topologies/local-1p1d.yaml"))).isEqualTo(kept("local-1p1d.sh"));
    }

    private static String kept(String name) throws IOException {
        return Files.readString(
                ROOT.resolve("systemtest/src/test/resources/scripts").resolve(name));
    }
}
