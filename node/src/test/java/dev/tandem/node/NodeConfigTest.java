package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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

    @Test
    void shouldRefuseATransferPortThatIsAnotherOne() {
        String[] handoff = {
            "--kv-transfer-config",
            "{\"kv_connector\":\"MooncakeConnectorV1\",\"kv_role\":\"kv_producer\",\"kv_port\":\"30000\"}"
        };
        assertThatThrownBy(() -> transfer(handoff, "--port", "8100", "--handshake-port", "8100"))
                .hasMessageContaining("--handshake-port 8100 is --port too");
        assertThatThrownBy(() -> transfer(handoff, "--transfer-port", "30000"))
                .hasMessageContaining("--transfer-port 30000 is the side-channel port of dp rank 0, tp rank 0 too");
        assertThatThrownBy(() -> transfer(handoff, "--transfer-port", "16000", "--handshake-port", "16000"))
                .hasMessageContaining("--transfer-port 16000 is --handshake-port too");
        assertThat(transfer(handoff, "--transfer-port", "16000", "--handshake-port", "16001")
                        .transferPorts())
                .containsEntry("--handshake-port", 16001)
                .containsEntry("--transfer-port", 16000);
    }

    private static NodeConfig transfer(String[] handoff, String... more) {
        var all = new ArrayList<>(List.of("model"));
        all.addAll(List.of(handoff));
        all.addAll(List.of(more));
        return new NodeConfig(ServeFlags.parse(all), NodeEnvironment.read(Map.of(), MACHINE), 8);
    }

    @Test
    void shouldTakeTheFlagBeforeTheVariables(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("token");
        Files.writeString(file, "the secret of this year");
        var arguments = List.of("model", "--cluster-token-file", file.toString(), "--foreign-peers", "10.0.0.0/8");
        Map<String, String> variables = Map.of("TANDEM_CLUSTER_TOKEN", "the secret of last year");
        var config = new NodeConfig(ServeFlags.parse(arguments), NodeEnvironment.read(variables, MACHINE), 8);
        PeerTrust trust = config.trust().open();
        byte[] content = {1};
        assertThat(ClusterSecret.of("the secret of this year")
                        .isSealed("test", content, trust.secret().seal("test", content)))
                .isTrue();
        assertThat(trust.foreign()).hasToString("10.0.0.0/8");
    }

    @Test
    void shouldRefuseASecretThatIsTooShortAndTwoSources() {
        assertThatThrownBy(() -> NodeEnvironment.read(
                        Map.of("TANDEM_CLUSTER_TOKEN", "short", "TANDEM_CLUSTER_TOKEN_FILE", "/f"), MACHINE))
                .hasMessageContaining("TANDEM_CLUSTER_TOKEN and TANDEM_CLUSTER_TOKEN_FILE are both set")
                .hasMessageContaining("the cluster token has 5 characters, at least 16 are needed");
        assertThatThrownBy(() -> NodeEnvironment.read(Map.of("TANDEM_FOREIGN_PEERS", "example.org"), MACHINE))
                .hasMessageContaining("TANDEM_FOREIGN_PEERS: example.org is not an address");
    }

    @Test
    void shouldSayInOneLineWhatIsOpenToWhomWithoutASecret() {
        var open = List.of(
                "model",
                "--kv-transfer-config",
                "{\"kv_connector\":\"MooncakeConnectorV1\",\"kv_role\":\"kv_producer\",\"kv_port\":\"30000\","
                        + "\"kv_ip\":\"192.0.2.7\"}");
        var config = new NodeConfig(ServeFlags.parse(open), NodeEnvironment.read(Map.of(), MACHINE), 8);
        assertThat(OpenPorts.warning(config, PeerTrust.everybody()).orElseThrow())
                .contains("no cluster secret", "read and write leased KV at 192.0.2.7", "TANDEM_CLUSTER_TOKEN")
                .doesNotContain("\n");
        var known = new PeerTrust(ClusterSecret.of("the secret of this year"), AddressList.empty());
        assertThat(OpenPorts.warning(config, known)).isEmpty();
        var local = new NodeConfig(
                ServeFlags.parse(open.stream()
                        .map(word -> word.replace("192.0.2.7", "127.0.0.1"))
                        .toList()),
                NodeEnvironment.read(Map.of(), MACHINE),
                8);
        assertThat(OpenPorts.warning(local, PeerTrust.everybody())).isEmpty();
    }

    @Test
    void shouldSayThatAnybodyMayJoinAHeadWithoutASecret() {
        String head = "--data-parallel-size 2 --data-parallel-size-local 1 --data-parallel-rpc-port 13389"
                + " --enable-expert-parallel --host 192.0.2.7 --data-parallel-address ";
        NodeConfig open = config(head + "192.0.2.7", Map.of());
        assertThat(OpenPorts.warning(open, PeerTrust.everybody()).orElseThrow())
                .contains("no cluster secret", "join as a rank at 192.0.2.7:13389 and be given prompts")
                .contains("have experts compute at 192.0.2.7", "set TANDEM_CLUSTER_TOKEN or TANDEM_CLUSTER_TOKEN_FILE")
                .doesNotContain("\n");
        var known = new PeerTrust(ClusterSecret.of("the secret of this year"), AddressList.empty());
        assertThat(OpenPorts.warning(open, known)).isEmpty();
        NodeConfig local = config(head.replace("192.0.2.7", "127.0.0.1") + "127.0.0.1", Map.of());
        assertThat(OpenPorts.warning(local, PeerTrust.everybody())).isEmpty();
    }
}
