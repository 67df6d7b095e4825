package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.engine.handoff.HandoffConfig.Role;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ServeFlagsTest {
    private static final String CONFIG =
            "{\"kv_connector\":\"MooncakeConnector\",\"kv_role\":\"kv_producer\",\"kv_port\":\"30000\",\"engine_id\":\"0\","
                    + "\"kv_connector_extra_config\":{\"prefill\":{\"dp_size\":1,\"tp_size\":1},\"decode\":{\"dp_size\":1,\"tp_size\":1}}}";

    private static ServeFlags parse(String... arguments) {
        return ServeFlags.parse(List.of(arguments));
    }

    private static List<String> problems(String... arguments) {
        return catchThrowableOfType(FlagException.class, () -> parse(arguments)).problems();
    }

    @Test
    void shouldReadTheCommandOfTheReadme() {
        ServeFlags flags = parse(
                "models/fable",
                "--host",
                "127.0.0.2",
                "--port",
                "8100",
                "--served-model-name",
                "fable",
                "f2",
                "--max-model-len",
                "2048",
                "--max-num-seqs",
                "16",
                "--kv-transfer-config",
                CONFIG);
        assertThat(flags.model().checkpoint()).isEqualTo(Path.of("models/fable"));
        assertThat(flags.model().names()).containsExactly("fable", "f2");
        assertThat(flags.model().maxModelLength()).contains(2048);
        assertThat(flags.server().host()).isEqualTo("127.0.0.2");
        assertThat(flags.server().port()).isEqualTo(8100);
        assertThat(flags.limits().sequences()).isEqualTo(16);
        KvTransferConfig transfer = flags.kvTransfer().orElseThrow();
        assertThat(transfer.kvPort()).isEqualTo(30000);
        assertThat(transfer.role()).isEqualTo(Role.PRODUCER);
        assertThat(transfer.engineId()).isEqualTo("0");
    }

    @Test
    void shouldTreatUnderscoresAndHyphensAlike() {
        assertThat(parse("m", "--max-num_seqs=3").limits().sequences()).isEqualTo(3);
        assertThat(parse("m", "--no_enable_prefix_caching").cache().cachesPrefixes())
                .isFalse();
    }

    @Test
    void shouldReadDottedKeysOfJsonFlags() {
        ServeFlags flags = parse(
                "m",
                "--kv-transfer-config.kv_connector",
                "MooncakeConnectorV1",
                "--kv-transfer-config.kv_role",
                "kv_consumer",
                "--kv-transfer-config.kv_port",
                "5",
                "--kv-transfer-config.kv_connector_extra_config.decode.tp_size",
                "1");
        assertThat(flags.kvTransfer().orElseThrow().kvPort()).isEqualTo(5);
        assertThat(flags.kvTransfer().orElseThrow().expected().decode()).contains(new KvTransferConfig.Sizes(1, 1));
    }

    @Test
    void shouldNameTheNearestFlagForAnUnknownOne() {
        assertThat(problems("m", "--max-model-length", "5"))
                .singleElement()
                .asString()
                .contains("--max-model-len");
    }

    @Test
    void shouldReportAllProblemsTogether() {
        assertThat(problems("--port", "70000", "--max-num-seqs", "x", "--dtype", "int4"))
                .hasSize(4);
    }

    @Test
    void shouldRefuseAStepThatHoldsLessThanATokenOfEverySequence() {
        assertThat(problems("m", "--max-num-seqs", "16", "--max-num-batched-tokens", "7"))
                .singleElement()
                .asString()
                .contains("7")
                .contains("--max-num-seqs 16");
    }

    @Test
    void shouldReadMultiples() {
        assertThat(WholeNumber.parse("32k")).contains(32_000L);
        assertThat(WholeNumber.parse("32K")).contains(32_768L);
        assertThat(WholeNumber.parse("64MiB")).contains(64L << 20);
        assertThat(WholeNumber.parse("1.5G")).contains(3L << 29);
        assertThat(WholeNumber.parse("1.5")).isEmpty();
        assertThat(WholeNumber.parse("")).isEmpty();
    }

    @Test
    void shouldRefuseWhatThisVersionDoesNotCarryOut() {
        assertThat(problems("m", "--kv-transfer-config", CONFIG.replace("MooncakeConnector", "NixlConnector")))
                .singleElement()
                .asString()
                .contains("NixlConnector")
                .contains("MooncakeConnectorV1");
    }

    @Test
    void shouldRefuseUnknownKeysOfTheTransferConfig() {
        assertThat(problems("m", "--kv-transfer-config", CONFIG.replace("kv_port", "kv_prt")))
                .singleElement()
                .asString()
                .contains("kv_prt")
                .contains("kv_port");
    }

    @Test
    void shouldSayWhatHasNoEffect() {
        var notes = new ArrayList<>(
                parse("m", "--enforce-eager", "--trust-remote-code").notes());
        assertThat(notes).hasSize(2).allSatisfy(note -> assertThat(note).contains(": "));
    }

    @Test
    void shouldNumberPortsByGlobalDataParallelRank() {
        assertThat(new PortPlan(30_000, 8, 2, 2).sideChannel(3, 5)).isEqualTo(30_029);
        assertThat(new PortPlan(30_000, 8, 0, 2).sideChannels())
                .hasSize(16)
                .startsWith(30_000)
                .endsWith(30_015);
    }
}
