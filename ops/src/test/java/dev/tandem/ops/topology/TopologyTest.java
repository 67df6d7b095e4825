package dev.tandem.ops.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.node.flags.ServeFlags;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

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
        ServeFlags flags =
                ServeFlags.parse(decode.words().subList(1, decode.words().size()));
        assertThat(flags.scheduler().sequences()).isEqualTo(4);
        assertThat(flags.cache().cachesPrefixes()).isFalse();
        assertThat(flags.kvTransfer().orElseThrow().engineId()).isEqualTo("1");
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
                .hasMessageContaining("no YAML");
    }
}
