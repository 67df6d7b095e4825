package dev.tandem.systemtest.guide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.node.NodeEnvironment;
import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.Parallel.Balancing;
import dev.tandem.node.flags.Parallel.Data;
import dev.tandem.node.flags.ServeFlags;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The commands of both guides, as they are printed, through the grammar of {@code tandem serve}. */
class GuideFlagsTest {
    private static final String QWEN = "qwen3-235b-2p1d-mooncake.md";
    private static final String DEEPSEEK = "deepseek-v3.2-1p1d-llmdatadist.md";

    private static Guide.Block node(String guide, String section, String tab) {
        return Guide.nodes(guide).stream()
                .filter(block -> block.section().equals(section) && block.tab().equals(tab))
                .findFirst()
                .orElseThrow();
    }

    private static ServeFlags flags(Guide.Block block) {
        List<String> arguments = block.serveArguments();
        assertThat(arguments.getFirst()).isEqualTo("serve");
        return ServeFlags.parse(arguments.subList(1, arguments.size()));
    }

    @Test
    void shouldReadEveryNodeOfTheQwenGuide() {
        List<Guide.Block> nodes = Guide.nodes(QWEN);
        assertThat(nodes).extracting(Guide.Block::tab).hasSize(8);
        for (Guide.Block node : nodes) {
            ServeFlags flags = flags(node);
            assertThat(flags.kvTransfer().orElseThrow().connector())
                    .isEqualTo(node.section().equals("layerwise") ? Connector.LAYERWISE : Connector.PULL);
            assertThat(flags.parallel().hasExpertParallel()).isTrue();
            assertThat(flags.parallel().localRanks()).isEqualTo(16);
            assertThat(flags.cache().cachesPrefixes()).isFalse();
            assertThat(flags.model().generation().seed()).isEqualTo(1024);
            assertThat(flags.notes()).allSatisfy(note -> assertThat(note).contains(": "));
            assertThat(flags.notes())
                    .anySatisfy(
                            note -> assertThat(note).startsWith("--trust-remote-code: accepted, no effect, because"))
                    .anySatisfy(note ->
                            assertThat(note).startsWith("--distributed-executor-backend: accepted, no effect, because"))
                    .anySatisfy(note -> assertThat(note).startsWith("kv_connector_module_path: accepted, no effect"));
        }
    }

    @Test
    void shouldGiveEveryRankOfTheQwenGuideAPortOfItsOwn() {
        for (String section : List.of("layerwise", "mooncake")) {
            assertThat(Guide.nodes(QWEN).stream()
                            .filter(block -> block.section().equals(section))
                            .map(block -> flags(block).ports().orElseThrow().range()))
                    .containsExactly("30000-30015", "30100-30115", "30200-30215", "30316-30331");
        }
    }

    @Test
    void shouldReadTheHeadAndTheHeadlessNodeAsTheGuideMeansThem() {
        ServeFlags head = flags(node(QWEN, "layerwise", "Decoder node 1"));
        assertThat(head.parallel().data()).isEqualTo(new Data(32, 16, 0, Balancing.INTERNAL));
        assertThat(head.parallel().isHead()).isTrue();
        assertThat(head.server().apiServers()).isEqualTo(4);
        ServeFlags headless = flags(node(QWEN, "mooncake", "Decoder node 2"));
        assertThat(headless.parallel().data()).isEqualTo(new Data(32, 16, 16, Balancing.INTERNAL));
        assertThat(headless.parallel().head()).isEqualTo(head.parallel().head());
        assertThat(headless.server().apiServers()).isZero();
        ServeFlags prefill = flags(node(QWEN, "mooncake", "Prefiller node 1"));
        assertThat(prefill.parallel().isHead()).isFalse();
        assertThat(prefill.kvTransfer().orElseThrow().role()).isEqualTo(Role.PRODUCER);
    }

    /** Erratum 2. */
    @Test
    void shouldTakeTheUnderscoreInMaxNumSeqs() {
        Guide.Block decode = node(QWEN, "layerwise", "Decoder node 1");
        assertThat(decode.text()).contains("--max-num_seqs 16");
        assertThat(flags(decode).limits().sequences()).isEqualTo(16);
    }

    /** Errata 7 and 8. */
    @Test
    void shouldWarnOfPortsThatTheAscendTransportReserves() {
        assertThat(flags(node(QWEN, "mooncake", "Prefiller node 1")).notes())
                .anySatisfy(note ->
                        assertThat(note).contains("kv_port 30000", "30000-30015", "20000-35999", "use kv_port 36000"));
    }

    /** Erratum 28. */
    @Test
    void shouldSayThatAHeadlessNodeHasNoHttpAndWhatAscendDirectMeansHere() {
        assertThat(flags(node(QWEN, "layerwise", "Decoder node 2")).notes())
                .contains(
                        "--host: accepted, no effect, because a headless node has no HTTP",
                        "--port: accepted, no effect, because a headless node has no HTTP");
        assertThat(flags(node(QWEN, "layerwise", "Prefiller node 1")).notes())
                .anySatisfy(note -> assertThat(note).startsWith("use_ascend_direct: accepted, no effect"));
        assertThat(flags(node(QWEN, "layerwise", "Prefiller node 2")).notes())
                .noneSatisfy(note -> assertThat(note).startsWith("use_ascend_direct"));
    }

    /** Erratum 27: a path is no name of a checkpoint; whether it is the same one, fingerprints say. */
    @Test
    void shouldTakeThePathOfThePullVariantsSecondPrefillNode() {
        assertThat(flags(node(QWEN, "mooncake", "Prefiller node 2")).model().checkpoint())
                .hasToString("/mnt/weight/Qwen3-235B-A22B-W8A8");
    }

    /** Erratum 22. */
    @Test
    void shouldCutALongPromptThatDecodeMustComputeItself() {
        ServeFlags decode = flags(node(QWEN, "mooncake", "Decoder node 1"));
        assertThat(decode.limits().batchedTokens()).isEqualTo(512);
        assertThat(decode.limits().isPrefillChunked()).isTrue();
    }

    /** Erratum 25. */
    @Test
    void shouldStartTheDeepSeekPrefillNodeWithoutItsConnectorAsTheShellDoes() {
        Guide.Block prefill = node(DEEPSEEK, "Prefiller / Decoder Deployment", "Prefiller node");
        assertThat(prefill.script().commands()).hasSize(2);
        assertThat(prefill.script().commands().getLast().words().getFirst()).isEqualTo("--kv-transfer-config");
        ServeFlags flags = flags(prefill);
        assertThat(flags.kvTransfer()).isEmpty();
        assertThat(flags.parallel().tensor()).isEqualTo(16);
        assertThat(flags.model().numerics().quantization()).isPresent();
        assertThat(flags.notes())
                .anySatisfy(note -> assertThat(note).startsWith("--additional-config: accepted, no effect"));
    }

    /** Errata 5, 6 and 30: equal engine ids and ports are right for this connector. */
    @Test
    void shouldReadBothNodesOfTheDeepSeekGuideWithTheBackslashMended() {
        String section = "Prefiller / Decoder Deployment";
        Guide.Block printed = node(DEEPSEEK, section, "Prefiller node");
        ServeFlags prefill = flags(printed.with("}}'\n--kv", "}}' \\\n--kv"));
        ServeFlags decode = flags(node(DEEPSEEK, section, "Decoder node"));
        for (ServeFlags flags : List.of(prefill, decode)) {
            assertThat(flags.kvTransfer().orElseThrow().name()).isEqualTo(KvConnectorName.LLM_DATA_DIST);
            assertThat(flags.parallel().tensor()).isEqualTo(16);
            assertThat(flags.parallel().hasExpertParallel()).isTrue();
            assertThat(flags.ports().orElseThrow().range()).isEqualTo("5557-5572");
            assertThat(flags.notes())
                    .anySatisfy(note -> assertThat(note).startsWith("kv_port: accepted, no effect"))
                    .anySatisfy(note -> assertThat(note).startsWith("engine_id: accepted, no effect"))
                    .anySatisfy(note -> assertThat(note).startsWith("kv_connector_module_path: accepted, no effect"))
                    .anySatisfy(note -> assertThat(note).startsWith("kv_buffer_device: accepted, no effect"))
                    .anySatisfy(note -> assertThat(note).startsWith("kv_parallel_size: accepted, no effect"));
        }
        assertThat(prefill.kvTransfer().orElseThrow().role()).isEqualTo(Role.PRODUCER);
        assertThat(decode.kvTransfer().orElseThrow().role()).isEqualTo(Role.CONSUMER);
    }

    @Test
    void shouldKnowEveryVariableOfTheGuides() {
        for (String guide : List.of(QWEN, DEEPSEEK)) {
            for (Guide.Block node : Guide.nodes(guide)) {
                Guide.Block own = node.with("eth0", "lo").with("enp23s0f3", "lo");
                for (int i = 1; i < 5; i++) {
                    own = own.with("192.0.0." + i, "127.0.1." + i);
                }
                own = own.with("172.22.0.218", "127.0.1.1").with("172.22.0.155", "127.0.1.2");
                var variables = own.script().variables();
                assertThat(variables).isNotEmpty();
                NodeEnvironment environment = NodeEnvironment.read(variables);
                assertThat(environment.announcedHost()).contains(variables.get("HCCL_IF_IP"));
                assertThat(environment.notes())
                        .noneSatisfy(note -> assertThat(note).contains("not known"));
                assertThat(environment.notes())
                        .contains(
                                "OMP_PROC_BIND=false: known, no effect, because kernel threads are not bound to cores");
            }
        }
    }
}
