package dev.tandem.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.node.flags.FlagException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NodeEnvironmentTest {
    private static final Machine MACHINE =
            new Machine(Set.of("lo", "eth0", "eth1"), Set.of("127.0.0.1", "10.0.0.7", "fe80:0:0:0:0:0:0:7%eth0"));

    private static NodeEnvironment read(Map<String, String> variables) {
        return NodeEnvironment.read(variables, MACHINE);
    }

    private static String problem(Map<String, String> variables) {
        List<String> problems =
                catchThrowableOfType(FlagException.class, () -> read(variables)).problems();
        assertThat(problems).hasSize(1);
        return problems.getFirst();
    }

    @Test
    void shouldAnnounceAnAddressOfThisMachineOnly() {
        assertThat(read(Map.of("HCCL_IF_IP", "10.0.0.7")).announcedHost()).contains("10.0.0.7");
        assertThat(read(Map.of("HCCL_IF_IP", "127.0.1.4")).announcedHost()).contains("127.0.1.4");
        assertThat(read(Map.of("VLLM_HOST_IP", "fe80::7")).announcedHost()).contains("fe80::7");
        assertThat(problem(Map.of("HCCL_IF_IP", "192.0.0.1")))
                .contains("HCCL_IF_IP=192.0.0.1", "10.0.0.7", "127.0.0.0/8");
        assertThat(problem(Map.of("HCCL_IF_IP", "localhost"))).contains("HCCL_IF_IP=localhost is not an address");
    }

    @Test
    void shouldInsistOnInterfacesThatExist() {
        assertThat(problem(Map.of("GLOO_SOCKET_IFNAME", "eth7"))).contains("GLOO_SOCKET_IFNAME=eth7", "eth0, eth1, lo");
        assertThat(problem(Map.of("TP_SOCKET_IFNAME", "eth0,ib0"))).contains("TP_SOCKET_IFNAME=eth0,ib0");
        read(Map.of("GLOO_SOCKET_IFNAME", "lo", "TP_SOCKET_IFNAME", "eth0, eth1"));
    }

    @Test
    void shouldReadTheRulesOfAscendsInterfaceNames() {
        read(Map.of("HCCL_SOCKET_IFNAME", "eth"));
        read(Map.of("HCCL_SOCKET_IFNAME", "=eth1"));
        read(Map.of("HCCL_SOCKET_IFNAME", "^lo"));
        assertThat(problem(Map.of("HCCL_SOCKET_IFNAME", "=eth"))).contains("HCCL_SOCKET_IFNAME==eth", "lo");
        assertThat(problem(Map.of("HCCL_SOCKET_IFNAME", "^eth,lo"))).contains("leaves no network interface");
    }

    @Test
    void shouldWarmUpForTwoSecondsUnlessToldOtherwise() {
        assertThat(read(Map.of()).warmUp()).isEqualTo(Duration.ofSeconds(2));
        assertThat(read(Map.of("TANDEM_WARM_UP", "500")).warmUp()).isEqualTo(Duration.ofMillis(500));
        assertThat(read(Map.of("TANDEM_WARM_UP", "0")).warmUp()).isEqualTo(Duration.ZERO);
        assertThat(problem(Map.of("TANDEM_WARM_UP", "-1"))).contains("TANDEM_WARM_UP=-1 is outside [0, ");
    }

    @Test
    void shouldTakeTheTimeoutsOfTheGuides() {
        var timeouts = read(Map.of("VLLM_NIXL_ABORT_REQUEST_TIMEOUT", "480", "ASCEND_TRANSFER_TIMEOUT", "2500"))
                .handoff();
        assertThat(timeouts.lease()).isEqualTo(Duration.ofSeconds(480));
        assertThat(timeouts.fetch()).isEqualTo(Duration.ofMillis(2500));
        assertThat(read(Map.of("VLLM_NIXL_ABORT_REQUEST_TIMEOUT", "1", "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT", "7"))
                        .handoff()
                        .lease())
                .isEqualTo(Duration.ofSeconds(7));
        assertThat(problem(Map.of("ASCEND_TRANSFER_TIMEOUT", "0"))).contains("ASCEND_TRANSFER_TIMEOUT=0");
    }

    @Test
    void shouldReadTheVariablesOfTheRankTablesConnector() {
        var network = read(Map.of(
                        "DISAGGREGATED_PREFILL_RANK_TABLE_PATH", "/t.json",
                        "VLLM_ASCEND_LLMDD_RPC_IP", "10.0.0.7",
                        "VLLM_ASCEND_LLMDD_RPC_PORT", "5657",
                        "ASCEND_RT_VISIBLE_DEVICES", "6, 7"))
                .network();
        assertThat(network.dataDist())
                .isEqualTo(new NodeEnvironment.DataDist(
                        Optional.of("/t.json"), Optional.of("10.0.0.7"), 5657, List.of(6, 7)));
        assertThat(read(Map.of()).network().dataDist().port()).isEqualTo(5557);
        assertThat(problem(Map.of("VLLM_ASCEND_LLMDD_RPC_IP", "192.0.0.1"))).contains("not an address of this machine");
        assertThat(problem(Map.of("VLLM_ASCEND_LLMDD_RPC_PORT", "70000"))).contains("outside [1, 65535]");
        assertThat(problem(Map.of("ASCEND_RT_VISIBLE_DEVICES", "all"))).contains("not a list of device ids");
    }

    @Test
    void shouldExplainWhatIsKnownAndHasNoEffect() {
        assertThat(read(Map.of("HCCL_BUFFSIZE", "1024", "https_proxy", "http://p:1"))
                        .notes())
                .anySatisfy(note -> assertThat(note).startsWith("HCCL_BUFFSIZE=1024: known, no effect, because"))
                .anySatisfy(note ->
                        assertThat(note).startsWith("https_proxy: known").doesNotContain("p:1"));
        assertThat(read(Map.of("PATH", "/bin", "http_proxy", "", "LD_LIBRARY_PATH", "/lib"))
                        .notes())
                .isEmpty();
    }

    @Test
    void shouldNameTheVariableThatWasPerhapsMeant() {
        assertThat(read(Map.of("VLLM_MOONCAKE_ABORT_TIMEOUT", "5")).notes())
                .singleElement()
                .asString()
                .contains("VLLM_MOONCAKE_ABORT_TIMEOUT: not known", "VLLM_MOONCAKE_ABORT_REQUEST_TIMEOUT");
        assertThat(read(Map.of("HCCL_IFIP", "10.0.0.7")).notes())
                .singleElement()
                .asString()
                .contains("HCCL_IF_IP");
    }

    @Test
    void shouldKeepSecretsOutOfItsText() {
        assertThat(read(Map.of("VLLM_API_KEY", "s3cret", "TANDEM_CLUSTER_TOKEN", "t0ken of this cluster"))
                        .toString())
                .doesNotContain("s3cret")
                .doesNotContain("t0ken");
    }
}
