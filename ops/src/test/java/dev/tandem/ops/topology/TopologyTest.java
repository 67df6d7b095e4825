package dev.tandem.ops.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TopologyTest {
    private static final String GOOD = """
            model: m
            gateway: {host: 127.0.0.1, port: 8080}
            prefill:
              - {host: 127.0.0.2, port: 8100, kv-port: 30000}
            decode:
              - host: 127.0.0.3
                port: 8200
                kv-port: 30100
                flags: {max_num_seqs: 4, enable-prefix-caching: false}
            """;

    private static Topology read(String source) {
        return new TopologyReader("t.yaml").read(source);
    }

    @Test
    void shouldReadTheTopologyThatShips() {
        Topology shipped = Topology.read(Path.of(System.getProperty("tandem.root"), "topologies", "local-1p1d.yaml"));
        assertThat(shipped.prefill()).hasSize(1);
        assertThat(shipped.gateway()).hasToString("127.0.0.1:8080");
    }

    @Test
    void shouldPlanOneProcessEachWithWordsThatServeUnderstands() {
        LaunchPlan plan = LaunchPlan.of(read(GOOD));
        assertThat(plan.processes()).extracting(ProcessPlan::name).containsExactly("gateway", "prefill-0", "decode-0");
        ProcessPlan decode = plan.processes().get(2);
        ServeFlags flags = ServeFlags.parse(
                decode.arguments().subList(1, decode.arguments().size()));
        assertThat(flags.limits().sequences()).isEqualTo(4);
        assertThat(flags.cache().cachesPrefixes()).isFalse();
        assertThat(flags.kvTransfer().orElseThrow().engineId()).isEqualTo("1");
    }

    @Test
    void shouldTellTheGatewayWhatItsNodesAskFor() {
        Topology topology = read(GOOD.replace("port: 8080}", "port: 8080, flags: {ssl-certfile: c, node_tls: true}}")
                .replace("max_num_seqs: 4", "max_num_seqs: 4, api-key: k, ssl-certfile: c"));
        assertThat(topology.isGatewaySecure()).isTrue();
        assertThat(String.join(
                        " ", LaunchPlan.of(topology).processes().getFirst().arguments()))
                .contains("--prefiller-hosts 127.0.0.2 ")
                .contains("--decoder-hosts https://127.0.0.3 ")
                .endsWith(" --ssl-certfile c --node-tls --node-api-key k --api-key k");
        assertThatThrownBy(() -> read(GOOD.replace("port: 8080}", "port: 8080, flags: {layerwise: true}}")))
                .hasMessageContaining("flags has layerwise, which a topology sets with connector");
        assertThatThrownBy(() -> read(GOOD.replace("port: 8080}", "port: 8080, flags: {max-num-seqs: 1}}")))
                .hasMessageContaining("which proxy does not know");
    }

    @Test
    void shouldGiveEveryProcessTheClustersSecret() {
        String more = GOOD.replace("model: m\n", "model: m\ncluster-token-file: /run/secrets/tandem\n");
        assertThat(LaunchPlan.of(read(more)).processes())
                .allSatisfy(process -> assertThat(process.variables())
                        .containsEntry("TANDEM_CLUSTER_TOKEN_FILE", "/run/secrets/tandem"));
    }

    @Test
    void shouldRefuseATransferPortThatAnotherHas() {
        assertThatThrownBy(() -> read(CLUSTER.replace("seed: 7", "seed: 7, handshake-port: 9000, transfer-port: 9000")))
                .hasMessageContaining("the transfer-port of a node and the handshake-port of a node both want ");
    }

    @Test
    void shouldNameLineAndNearestKey() {
        assertThatThrownBy(() -> read(GOOD.replace("kv-port: 30100", "kvport: 30100")))
                .hasMessageContaining("t.yaml line 8")
                .hasMessageContaining("kv-port");
    }

    @Test
    void shouldNameTheLineOfAnUnknownFlag() {
        assertThatThrownBy(() -> read(GOOD.replace("max_num_seqs", "max_num_seq")))
                .hasMessageContaining("line 9")
                .hasMessageContaining("max-num-seqs");
    }

    @Test
    void shouldRefuseWhatIsNoPort() {
        assertThatThrownBy(() -> read(GOOD.replace("8080", "808080"))).hasMessageContaining("808080");
    }

    @Test
    void shouldRefuseMissingNodesAndBrokenYaml() {
        assertThatThrownBy(() -> read("model: m\ngateway: {host: a, port: 1}\nprefill: []\ndecode: []\n"))
                .hasMessageContaining("line 3");
        assertThatThrownBy(() -> read("model: ["))
                .isInstanceOf(TopologyException.class)
                .hasMessageContaining("is not valid YAML");
    }

    private static final String CLUSTER = """
            model: m
            connector: layerwise
            gateway: {host: 127.0.0.1, port: 8080}
            environment: {A: 1, B: 2}
            flags: {seed: 7, max-model-len: 64}
            prefill:
              parallel: {tensor: 2, data: 2}
              nodes:
                - {host: 127.0.0.2, port: 8100, kv-port: 30000, model: elsewhere, environment: {B: 3}, flags: {seed: 8}}
            decode:
              parallel: {data: 4, local: 2, rpc-port: 5964}
              flags: {enforce-eager: true}
              nodes:
                - {host: 127.0.0.3, port: 8200, kv-port: 30100}
                - {host: 127.0.0.4, port: 8200, kv-port: 30200, headless: true, engine-id: d2}
            """;

    @Test
    void shouldLayNodeOverSideOverDocument() {
        Topology topology = read(CLUSTER);
        assertThat(topology.connector()).isEqualTo(KvConnectorName.MOONCAKE_LAYERWISE);
        Topology.Settings prefill = topology.prefill().getFirst().settings();
        assertThat(prefill.checkpoint()).contains(Path.of("elsewhere"));
        assertThat(prefill.environment()).containsExactly(Map.entry("A", "1"), Map.entry("B", "3"));
        assertThat(prefill.flags()).containsEntry("seed", "8").containsEntry("max-model-len", "64");
        assertThat(topology.decode().getFirst().settings().flags())
                .containsEntry("seed", "7")
                .containsEntry("enforce-eager", "true");
        assertThat(topology.decode().getLast().handoff().engineId()).isEqualTo("d2");
    }

    @Test
    void shouldPutHeadlessNodesBehindTheirHead() {
        Topology.Ranks headless = read(CLUSTER).decode().getLast().ranks();
        assertThat(headless.start()).isEqualTo(2);
        assertThat(headless.join().isHeadless()).isTrue();
        assertThat(headless.join().head()).hasToString("127.0.0.3:5964");
        LaunchPlan plan = LaunchPlan.of(read(CLUSTER));
        assertThat(plan.processes().getFirst().arguments())
                .containsSubsequence("proxy", "--layerwise", "--decoder-hosts", "127.0.0.3", "--decoder-ports", "8200")
                .doesNotContain("127.0.0.4");
        assertThat(plan.processes().getLast().arguments())
                .contains("--headless")
                .doesNotContain("--api-server-count");
        assertThat(plan.processes().getLast().variables()).containsEntry("HCCL_IF_IP", "127.0.0.4");
    }

    @Test
    void shouldRefuseReplicasThatAreTooManyOrTooFew() {
        assertThatThrownBy(() -> read(CLUSTER.replace("headless: true, ", "")))
                .hasMessageContaining("127.0.0.3:8200 run 2 replicas of data 4")
                .hasMessageContaining("local 2");
        assertThatThrownBy(() -> read(CLUSTER.replace("local: 2", "local: 3")))
                .hasMessageContaining("t.yaml line 15")
                .hasMessageContaining("local 1 would fit");
        assertThatThrownBy(() -> read(CLUSTER.replace("headless: true", "headless: true, parallel: {tensor: 2}")))
                .hasMessageContaining("tensor 2")
                .hasMessageContaining("tensor 1");
        assertThatThrownBy(() -> read(GOOD.replace("kv-port: 30000}", "kv-port: 30000, headless: true}")))
                .hasMessageContaining("follows its head");
    }

    @Test
    void shouldRefuseWhatNodesOfOneHostCannotShare() {
        String oneHost = GOOD.replace("127.0.0.3", "127.0.0.2");
        assertThat(read(oneHost).decode()).hasSize(1);
        assertThatThrownBy(() -> read(oneHost.replace("30100", "30000")))
                .hasMessageContaining("kv-port 30000")
                .hasMessageContaining("kv-port 30100 would do");
        assertThatThrownBy(() -> read(oneHost.replace("8200", "8100"))).hasMessageContaining("127.0.0.2:8100");
        assertThatThrownBy(() -> read(oneHost.replace("30100", "8100"))).hasMessageContaining("side channel");
        assertThatThrownBy(() -> read(CLUSTER.replace("engine-id: d2", "engine-id: 0")))
                .hasMessageContaining("engine-id 0");
    }

    @Test
    void shouldRefuseFlagsThatTheFileSaysInItsOwnWords() {
        assertThatThrownBy(() -> read(CLUSTER.replace("seed: 7", "tensor_parallel_size: 7")))
                .hasMessageContaining("t.yaml line 5")
                .hasMessageContaining("parallel: {tensor: …}");
        assertThatThrownBy(() -> read(CLUSTER.replace("tensor: 2", "tensr: 2")))
                .hasMessageContaining("line 7")
                .hasMessageContaining("the nearest is tensor");
        assertThatThrownBy(() -> read(CLUSTER.replace("connector: layerwise", "connector: push")))
                .hasMessageContaining("line 2")
                .hasMessageContaining("layerwise, llmdatadist or pull");
        assertThatThrownBy(() -> read(CLUSTER.replace("enforce-eager: true", "enforce-eager: 1")))
                .hasMessageContaining("true or false");
    }

    @Test
    void shouldAskEveryNodeWhetherItUnderstandsItsWords() {
        assertThatThrownBy(() -> LaunchPlan.of(read(CLUSTER.replace("seed: 7", "dtype: int4, enable-lora: true"))))
                .hasMessageContaining("decode-1: --dtype")
                .hasMessageContaining("prefill-0: --enable-lora is refused");
    }

    @Test
    void shouldNotPrintAHomeIntoPathsThatAreWhole() {
        Topology under = read(CLUSTER.replace("model: m", "model: /m")).under(Path.of("/home"), "n");
        assertThat(under.model().checkpoint()).hasToString("/m");
        assertThat(under.prefill().getFirst().settings().checkpoint()).contains(Path.of("/home/elsewhere"));
    }

    private static final String RANK_TABLE = """
            model: m
            connector: llmdatadist
            gateway: {host: 127.0.0.1, port: 8080}
            environment: {HCCL_SOCKET_IFNAME: lo}
            prefill:
              parallel: {tensor: 4}
              nodes:
                - {host: 127.0.0.2, port: 8000, kv-port: 20001, engine-id: 0}
            decode:
              parallel: {tensor: 2}
              nodes:
                - {host: 127.0.0.3, port: 8000, kv-port: 20001, engine-id: 0}
            """;

    @Test
    void shouldTakeEqualEngineIdsAndPortsWhereARankTableFindsPeers() {
        LaunchPlan plan = LaunchPlan.of(read(RANK_TABLE), Path.of("/t/table.json"));
        assertThat(plan.rankTable().orElseThrow().arguments(Path.of("t")))
                .containsExactly(
                        "ranktable",
                        "--ips",
                        "127.0.0.2",
                        "127.0.0.3",
                        "--npus-per-node",
                        "4",
                        "--network-card-name",
                        "lo",
                        "--prefill-device-cnt",
                        "4",
                        "--decode-device-cnt",
                        "2",
                        "--output",
                        "t");
        assertThat(plan.processes().getLast().variables())
                .containsEntry("DISAGGREGATED_PREFILL_RANK_TABLE_PATH", "/t/table.json");
        assertThat(plan.processes().getFirst().arguments()).doesNotContain("--layerwise");
        assertThat(plan.rankTable().orElseThrow().plan().problems()).isEmpty();
    }

    @Test
    void shouldKeepARankTableThatTheFileNames() {
        String own = RANK_TABLE.replace("{HCCL", "{DISAGGREGATED_PREFILL_RANK_TABLE_PATH: /own.json, HCCL");
        assertThat(LaunchPlan.of(read(own), Path.of("/t")).processes().getLast().variables())
                .containsEntry("DISAGGREGATED_PREFILL_RANK_TABLE_PATH", "/own.json");
    }

    @Test
    void shouldRefuseWhatNoRankTableCouldSay() {
        assertThatThrownBy(() -> read(RANK_TABLE.replace("127.0.0.3", "127.0.0.2")))
                .hasMessageContaining("two nodes have the host 127.0.0.2");
        assertThatThrownBy(() -> read(RANK_TABLE.replace("127.0.0.3", "node-2")))
                .hasMessageContaining("node-2 is not an address");
        assertThatThrownBy(() -> read(RANK_TABLE.replace("tensor: 2", "tensor: 8")))
                .hasMessageContaining("127.0.0.2:8000 runs 4 ranks and another 8");
        assertThatThrownBy(() -> read(RANK_TABLE.replace("connector: llmdatadist", "connector: llmdata")))
                .hasMessageContaining("layerwise, llmdatadist or pull");
    }

    @Test
    void shouldFindPortsThatTheRankTablesSideChannelsTake() {
        assertThatThrownBy(() -> read(RANK_TABLE.replace("127.0.0.1, port: 8080", "127.0.0.3, port: 5558")))
                .hasMessageContaining("VLLM_ASCEND_LLMDD_RPC_PORT 5557, 5557-5558");
    }

    @Test
    void shouldRefuseANul() {
        assertThatThrownBy(() -> read(GOOD.replace("model: m", "model: \"m\\0\"")))
                .isInstanceOf(TopologyException.class)
                .hasMessage("t.yaml line 1 has a NUL character in a text");
    }

    @Test
    void shouldReadNoMoreThanAMebibyteOfAFile(@TempDir Path folder) throws IOException {
        Path large = Files.writeString(folder.resolve("large.yaml"), GOOD + " ".repeat(1 << 20));

        assertThatThrownBy(() -> Topology.read(large))
                .isInstanceOf(TopologyException.class)
                .hasMessageContainingAll(large.toString(), "it is longer than 1048576 bytes");
    }
}
