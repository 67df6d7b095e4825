package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NodeConfigTest {
    private static final Machine MACHINE = new Machine(Set.of("lo"), Set.of("127.0.0.1"));
    private static final String PULL =
            " --kv-transfer-config.kv_connector MooncakeConnector --kv-transfer-config.kv_role kv_producer";
    private static final String DATA_DIST =
            " --kv-transfer-config.kv_connector LLMDataDistCMgrConnector --kv-transfer-config.kv_role kv_producer";
    private static final String TABLE = "DISAGGREGATED_PREFILL_RANK_TABLE_PATH";

    private static NodeConfig config(String arguments, Map<String, String> variables) {
        var all = new ArrayList<>(List.of("m"));
        all.addAll(Arrays.asList(arguments.strip().split(" +")));
        return new NodeConfig(ServeFlags.parse(all), NodeEnvironment.read(variables, MACHINE), 8);
    }

    @Test
    void shouldReportWhatIsWrongWithArgumentsAndVariablesTogether() {
        assertThatThrownBy(() -> NodeConfig.read(
                        List.of("m", "--port", "x", "--prot", "1"),
                        () -> NodeEnvironment.read(Map.of("OMP_NUM_THREADS", "many"), MACHINE),
                        8))
                .hasMessageContainingAll("--port must be", "unknown flag --prot", "OMP_NUM_THREADS=many");
        assertThatThrownBy(() -> config("--host 0.0.0.0 --port 5557" + DATA_DIST, Map.of()))
                .hasMessageContainingAll(
                        "--port 5557 is the side-channel port",
                        "LLMDataDistCMgrConnector needs",
                        "--host 0.0.0.0 cannot be announced");
    }

    @Test
    void shouldTellPeersTheAddressOfTheEnvironmentFirst() {
        String arguments = "--host 0.0.0.0" + PULL + " --kv-transfer-config.kv_ip 127.0.0.9";
        assertThat(config(arguments, Map.of("HCCL_IF_IP", "127.0.1.1")).announcedHost())
                .isEqualTo("127.0.1.1");
        assertThat(config(arguments, Map.of()).announcedHost()).isEqualTo("127.0.0.9");
        assertThatThrownBy(() -> config("--host 0.0.0.0" + PULL, Map.of()))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("HCCL_IF_IP");
    }

    @Test
    void shouldBoundThreadsByTheEnvironmentAndTheCores() {
        assertThat(config("--seed 1", Map.of("OMP_NUM_THREADS", "100")).kernelThreads())
                .isEqualTo(8);
        assertThat(config("--seed 1", Map.of("OMP_NUM_THREADS", "3")).kernelThreads())
                .isEqualTo(3);
    }

    @Test
    void shouldTakeTheKeyOfTheEnvironmentWhenNoneIsGiven() {
        assertThat(config("--seed 1", Map.of("VLLM_API_KEY", "a"))
                        .access()
                        .keys()
                        .keys())
                .containsExactly("a");
        assertThat(config("--api-key b", Map.of("VLLM_API_KEY", "a"))
                        .access()
                        .keys()
                        .keys())
                .containsExactly("b");
    }

    @Test
    void shouldRefuseAnHttpPortThatIsASideChannel() {
        assertThatThrownBy(() -> config("--port 30000" + PULL + " --kv-transfer-config.kv_port 30000", Map.of()))
                .hasMessageContaining("--port 30000")
                .hasMessageContaining("dp rank 0, tp rank 0")
                .hasMessageContaining("kv_port 30100 would do");
        assertThat(config(
                                "--port 30000" + PULL + " --kv-transfer-config.kv_port 30000",
                                Map.of("HCCL_IF_IP", "127.0.1.1"))
                        .ports())
                .isPresent();
    }

    @Test
    void shouldNoticeTheBackslashThatTheGuideForgets() {
        assertThat(config("--seed 1", Map.of("DISAGGREGATED_PREFILL_RANK_TABLE_PATH", "/ranktable.json"))
                        .notes())
                .anySatisfy(note -> assertThat(note).contains("missing backslash", "--kv-transfer-config"));
    }

    @Test
    void shouldInsistOnTheRankTableOfItsConnector() {
        assertThatThrownBy(() -> config("--seed 1" + DATA_DIST, Map.of()))
                .isInstanceOf(FlagException.class)
                .hasMessageContaining("LLMDataDistCMgrConnector needs DISAGGREGATED_PREFILL_RANK_TABLE_PATH");
    }

    @Test
    void shouldBindTheSideChannelWhereTheVariablesOfTheConnectorSay() {
        NodeConfig plain = config("--host 127.0.22.1" + DATA_DIST, Map.of(TABLE, "t.json"));
        assertThat(plain.sideChannelHost()).isEqualTo("127.0.22.1");
        assertThat(plain.ports().orElseThrow().range()).isEqualTo("5557");
        NodeConfig set = config(
                "--host 127.0.22.1" + DATA_DIST,
                Map.of(TABLE, "t.json", "VLLM_ASCEND_LLMDD_RPC_IP", "0.0.0.0", "VLLM_ASCEND_LLMDD_RPC_PORT", "5657"));
        assertThat(set.sideChannelHost()).isEqualTo("0.0.0.0");
        assertThat(set.announcedHost()).isEqualTo("127.0.22.1");
        assertThat(set.ports().orElseThrow().range()).isEqualTo("5657");
        assertThatThrownBy(() -> config("--port 5557" + DATA_DIST, Map.of(TABLE, "t.json")))
                .hasMessageContaining("VLLM_ASCEND_LLMDD_RPC_PORT 5657 would do");
    }

    @Test
    void shouldSayThatTheVariablesOfTheConnectorHaveNoEffectOnAnother() {
        NodeConfig mooncake = config(
                "--host 127.0.22.1" + PULL,
                Map.of(TABLE, "t.json", "VLLM_ASCEND_LLMDD_RPC_IP", "127.0.0.1", "VLLM_ASCEND_LLMDD_RPC_PORT", "6000"));
        assertThat(mooncake.sideChannelHost()).isEqualTo("127.0.22.1");
        assertThat(mooncake.notes())
                .contains(
                        TABLE + "=t.json: known, no effect, because it belongs to LLMDataDistCMgrConnector",
                        "VLLM_ASCEND_LLMDD_RPC_IP=127.0.0.1: known, no effect, because it belongs to"
                                + " LLMDataDistCMgrConnector",
                        "VLLM_ASCEND_LLMDD_RPC_PORT=6000: known, no effect, because it belongs to"
                                + " LLMDataDistCMgrConnector");
    }
}
