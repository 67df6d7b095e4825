package dev.tandem.systemtest.guide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.LaunchScript;
import dev.tandem.ops.topology.Topology;
import dev.tandem.preflight.script.shell.ShellScript;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.json.JsonMapper;

/** {@code tandem up topologies/deepseek-1p1d.yaml --print} beside the guide: the same commands, with its mistakes fixed. */
class DeepSeekScriptTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final Path FILE = ROOT.resolve("topologies/deepseek-1p1d.yaml");
    private static final String GUIDE = "deepseek-v3.2-1p1d-llmdatadist.md";
    private static final String RANK_TABLE = "DISAGGREGATED_PREFILL_RANK_TABLE_PATH";

    private static String script() {
        Topology topology = Topology.read(FILE);
        return LaunchScript.of(topology, LaunchPlan.of(topology));
    }

    private static ShellScript printed(int index) {
        return ShellScript.of(Arrays.asList(script().split("\n\n", -1)).get(index));
    }

    /** A block of the guide with the addresses, the interface and the checkpoint of the topology, and the backslash that is missing. */
    private static ShellScript guide(String start) {
        Guide.Block block = Guide.blocks(GUIDE).stream()
                .filter(one -> one.text().contains(start))
                .findFirst()
                .orElseThrow()
                .with("vllm serve", "tandem serve")
                .with("/root/.cache/weights/dpsk_w8a8", "fixtures/golden/deepseek-v3.2-w8a8")
                .with("/vllm-workspace/vllm-ascend/examples/disaggregated_prefill_v1/", "")
                .with("172.22.0.218", "127.0.2.1")
                .with("172.22.0.155", "127.0.2.2")
                .with("enp23s0f3", "lo")
                .with("}}'\n--kv", "}}' \\\n--kv");
        String own = block.script().variables().getOrDefault("HCCL_IF_IP", "");
        return block.with("0.0.0.0", own).script();
    }

    /** Flags with their values, in any order; JSON as a tree. */
    private static Map<String, String> flags(List<String> words) {
        var flags = new LinkedHashMap<String, String>();
        String flag = "";
        for (String word : words) {
            if (word.startsWith("--")) {
                flag = word;
                flags.put(flag, "");
            } else {
                String value = word.startsWith("{") ? sorted(word) : word;
                flags.merge(flag, value, (one, two) -> one + " " + two);
            }
        }
        return flags;
    }

    private static String sorted(String json) {
        var entries = new TreeMap<String, String>();
        JsonMapper.shared()
                .readTree(json)
                .properties()
                .forEach(entry -> entries.put(entry.getKey(), entry.getValue().toString()));
        return entries.toString();
    }

    @Test
    void shouldStartTheNodesOfTheGuideWithTheirConnector() {
        List<String> sides = List.of("kv_producer", "kv_consumer");
        for (int i = 0; i < sides.size(); i++) {
            ShellScript expected = guide(sides.get(i));
            ShellScript printed = printed(1 + i);
            assertThat(expected.commands()).hasSize(1);
            assertThat(flags(printed.commands().getFirst().words()))
                    .isEqualTo(flags(expected.commands().getFirst().words()))
                    .containsKey("--kv-transfer-config");
            var variables = new ArrayList<>(printed.variables().entrySet());
            variables.removeIf(variable -> variable.getKey().equals("VLLM_ALLOW_LONG_MAX_MODEL_LEN"));
            assertThat(variables).containsExactlyElementsOf(expected.variables().entrySet());
        }
    }

    @Test
    void shouldMakeTheRankTableWhereTheNodesReadIt() {
        List<String> expected = guide("gen_ranktable.sh").commands().getLast().words();
        List<String> words = printed(0).commands().getFirst().words();
        assertThat(words.subList(0, 2)).containsExactly("tandem", "ranktable");
        assertThat(words.subList(2, words.size() - 2)).isEqualTo(expected.subList(2, expected.size()));
        assertThat(words.subList(words.size() - 2, words.size()))
                .containsExactly("--output", printed(1).variables().get(RANK_TABLE));
        assertThat(printed(2).variables()).containsEntry(RANK_TABLE, words.getLast());
    }

    @Test
    void shouldStartTheProxyOfTheGuideAndAskItsQuestion() {
        List<String> proxy = guide("load_balance_proxy_server_example.py \\")
                .commands()
                .getFirst()
                .words();
        var expected = new ArrayList<>(proxy.subList(2, proxy.size()));
        expected.replaceAll(word -> word.equals("--prefiller-port") ? "--prefiller-ports" : word);
        assertThat(printed(3).commands().getFirst().words().subList(2, expected.size() + 2))
                .isEqualTo(expected);
        assertThat(printed(4).commands().getFirst().words())
                .isEqualTo(guide("curl").commands().getFirst().words());
    }

    @Test
    void shouldPrintTheScriptThatIsKept() throws IOException {
        assertThat(script())
                .isEqualTo(Files.readString(ROOT.resolve("systemtest/src/test/resources/scripts/deepseek-1p1d.sh")));
    }
}
