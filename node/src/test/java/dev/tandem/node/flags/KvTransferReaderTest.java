package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import org.junit.jupiter.api.Test;

class KvTransferReaderTest {
    private static final String PULL = "vllm_ascend.distributed.mooncake_connector";
    private static final String PUSH = "vllm_ascend.distributed.mooncake_layerwise_connector";

    private static ServeFlags parse(String connector, String further) {
        return ServeFlags.parse(List.of(
                "m",
                "--kv-transfer-config",
                "{\"kv_connector\": \"" + connector + "\", \"kv_role\": \"kv_producer\"" + further + "}"));
    }

    private static String problem(String connector, String further) {
        List<String> problems = catchThrowableOfType(FlagException.class, () -> parse(connector, further))
                .problems();
        assertThat(problems).hasSize(1);
        return problems.getFirst();
    }

    private static String path(String path) {
        return ", \"kv_connector_module_path\": \"" + path + "\"";
    }

    @Test
    void shouldRefuseAModulePathOfTheOtherConnectorWithBothValues() {
        assertThat(problem("MooncakeLayerwiseConnector", path(PULL)))
                .contains(PULL, "MooncakeLayerwiseConnector", PUSH);
        assertThat(problem("MooncakeConnector", path(PUSH))).contains(PUSH, "kv_connector MooncakeConnector");
        assertThat(problem("MooncakeConnector", path("vllm_ascend.distributed.moncake_connector")))
                .contains("moncake_connector", "correct it or leave it out");
    }

    @Test
    void shouldKnowTheModulePathsOfNewerVersions() {
        parse("MooncakeConnectorV1", path("vllm_ascend.distributed.kv_transfer.kv_p2p.mooncake_connector"));
        parse(
                "MooncakeLayerwiseConnector",
                path("vllm_ascend.distributed.kv_transfer.kv_p2p.mooncake_layerwise_connector"));
    }

    @Test
    void shouldGiveEveryEngineAnIdOfItsOwnWhenNoneIsGiven() {
        String first = parse("MooncakeConnector", "").kvTransfer().orElseThrow().engineId();
        assertThat(parse("MooncakeConnector", "").kvTransfer().orElseThrow().engineId())
                .isNotEqualTo(first);
        assertThat(parse("MooncakeConnector", ", \"engine_id\": 3")
                        .kvTransfer()
                        .orElseThrow()
                        .engineId())
                .isEqualTo("3");
    }

    @Test
    void shouldRefuseKeysThatNewerVersionsRefuseToo() {
        assertThat(problem("MooncakeConnector", ", \"kv_rol\": 1")).contains("unknown key kv_rol", "kv_role");
    }

    @Test
    void shouldNameTheNearestConnector() {
        assertThat(problem("MooncakeLayerWiseConector", "")).contains("the nearest is MooncakeLayerwiseConnector");
        assertThat(problem("NixlConnector", "")).contains("NixlConnector is known, but");
    }

    @Test
    void shouldRefuseSizesThatRanksCannotBeMatchedFor() {
        assertThat(problem(
                        "MooncakeConnector",
                        ", \"kv_connector_extra_config\": {\"prefill\": {\"tp_size\": 1, \"dp_size\": 1},"
                                + " \"decode\": {\"tp_size\": 1, \"pp_size\": 2}}"))
                .contains("decode has pp_size 2");
        assertThat(problem("MooncakeConnector", ", \"kv_connector_extra_config\": {\"prefill\": {\"tp_size\": \"x\"}}"))
                .contains("prefill has tp_size \"x\"");
        assertThat(problem("MooncakeConnector", ", \"kv_connector_extra_config\": {\"decode\": {\"tpsize\": 2}}"))
                .contains("unknown key tpsize", "tp_size");
        List<String> words = List.of(
                "m",
                "-tp",
                "8",
                "--kv-transfer-config",
                "{\"kv_connector\": \"MooncakeConnector\", \"kv_role\": \"kv_producer\", \"kv_connector_extra_config\":"
                        + " {\"prefill\": {\"tp_size\": 8}, \"decode\": {\"tp_size\": 3}}}");
        assertThat(catchThrowableOfType(FlagException.class, () -> ServeFlags.parse(words)))
                .hasMessageContaining("tp_size 8")
                .hasMessageContaining("tp_size 3");
    }

    @Test
    void shouldRefuseTlsThatIsNotThere() {
        assertThat(problem(
                        "MooncakeConnector",
                        ", \"kv_connector_extra_config\": {\"tls_config\": {\"ssl_enable\": true}}"))
                .contains("tls_config", "no TLS");
    }

    @Test
    void shouldNoteExtraKeysThatNobodyKnows() {
        assertThat(parse("MooncakeConnector", ", \"kv_connector_extra_config\": {\"use_ascend_drect\": true}")
                        .notes())
                .singleElement()
                .asString()
                .contains("use_ascend_drect", "the nearest is use_ascend_direct");
    }

    @Test
    void shouldRefusePortsBeyondTheLast() {
        assertThat(problem("MooncakeConnector", ", \"kv_port\": \"70000\"")).contains("kv_port", "70000");
        assertThat(
                        catchThrowableOfType(
                                FlagException.class,
                                () -> ServeFlags.parse(
                                        List.of(
                                                "m",
                                                "-dp",
                                                "8",
                                                "--kv-transfer-config",
                                                "{\"kv_connector\": \"MooncakeConnector\", \"kv_role\": \"kv_both\", \"kv_port\": 65530}"))))
                .hasMessageContaining("reaches port 65537");
    }

    @Test
    void shouldFindTheNextFreePorts() {
        var plan = new PortPlan(30_000, 8, 0, 2);
        assertThat(plan.nextFree(port -> port != 30_107)).hasValue(30_200);
        assertThat(plan.nextFree(port -> false)).isEmpty();
        assertThat(plan.owner(30_013)).isEqualTo("dp rank 1, tp rank 5");
        assertThat(plan.overlaps(new PortPlan(30_008, 1, 0, 1))).isTrue();
        assertThat(plan.overlaps(new PortPlan(30_000, 1, 16, 16))).isFalse();
    }

    @Test
    void shouldReadTheConnectorOfTheRankTableWithEqualIdsAndPorts() {
        ServeFlags flags = parse(
                "LLMDataDistCMgrConnector",
                ", \"kv_port\": \"20001\", \"engine_id\": \"0\", \"kv_buffer_device\": \"npu\""
                        + path("vllm_ascend.distributed.llmdatadist_c_mgr_connector"));
        assertThat(flags.kvTransfer().orElseThrow().name()).isEqualTo(KvConnectorName.LLM_DATA_DIST);
        assertThat(flags.notes())
                .anySatisfy(
                        note -> assertThat(note).startsWith("kv_port: accepted, no effect, because the side channels"))
                .anySatisfy(note -> assertThat(note)
                        .startsWith("engine_id: accepted, no effect")
                        .endsWith("equal ones are right"))
                .noneSatisfy(note -> assertThat(note).contains("Ascend transport reserves"));
        parse(
                "LLMDataDistCMgrConnector",
                path("vllm_ascend.distributed.kv_transfer.kv_p2p.llmdatadist_c_mgr_connector"));
        assertThat(problem("LLMDataDistCMgrConnector", path(PULL))).contains("llmdatadist_c_mgr_connector");
    }

    @Test
    void shouldKnowTwoRolesOfTheConnectorOfTheRankTable() {
        List<String> problems = catchThrowableOfType(
                        FlagException.class,
                        () -> ServeFlags.parse(List.of(
                                "m",
                                "--kv-transfer-config",
                                "{\"kv_connector\": \"LLMDataDistCMgrConnector\", \"kv_role\": \"kv_both\"}")))
                .problems();
        assertThat(problems)
                .singleElement()
                .asString()
                .contains("kv_producer or kv_consumer with LLMDataDistCMgrConnector, not kv_both");
    }

    @Test
    void shouldNumberThePortsOfTheConnectorOfTheRankTableOnEachNodeAnew() {
        String config =
                " --kv-transfer-config.kv_connector LLMDataDistCMgrConnector --kv-transfer-config.kv_role kv_consumer";
        assertThat(ports("--tensor-parallel-size 16" + config)).isEqualTo("5557-5572");
        assertThat(ports("--data-parallel-size 4 --data-parallel-size-local 2 --data-parallel-start-rank 2 --headless"
                        + " --tensor-parallel-size 8" + config))
                .as("local dp ranks")
                .isEqualTo("5557-5572");
        assertThat(ports("--data-parallel-size 4 --data-parallel-rank 2 --tensor-parallel-size 2" + config))
                .as("a rank behind a port of its own has its global index")
                .isEqualTo("5561-5562");
    }

    private static String ports(String words) {
        var all = new java.util.ArrayList<>(List.of("m"));
        all.addAll(List.of(words.split(" +")));
        return ServeFlags.parse(all).ports().orElseThrow().range();
    }
}
