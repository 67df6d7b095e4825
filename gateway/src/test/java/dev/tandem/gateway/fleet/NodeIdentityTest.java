package dev.tandem.gateway.fleet;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NodeIdentityTest {
    @Test
    void shouldReadThePageOfANodeOfOurs() {
        String page =
                "{\"version\":\"1\",\"node\":{\"role\":\"decode\",\"handoff\":\"pull\",\"connector\":\"MooncakeConnector\","
                        + "\"engine_id\":\"2\",\"later\":1}}";
        assertThat(NodeIdentity.read(page.getBytes(StandardCharsets.UTF_8)))
                .contains(new NodeIdentity("decode", "pull", "MooncakeConnector", "2"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"version\":\"0.11.0\"}", "", "<html>", "[]", "{\"node\":7}", "{\"node\":{\"role\":3}}"})
    void shouldTakeAnyOtherPageForAForeignNodes(String page) {
        assertThat(NodeIdentity.read(page.getBytes(StandardCharsets.UTF_8))).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "prefill|pull|PREFILL|PULL",
                "both|pull|PREFILL|PULL",
                "both|layerwise|DECODE|LAYERWISE",
                "decode|layerwise|DECODE|LAYERWISE"
            })
    void shouldTakeANodeForWhatItIs(String role, String handoff, NodeRole listedAs, HandoffKind kind) {
        assertThat(new NodeIdentity(role, handoff, "", "0").misfit(listedAs, kind))
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "aggregated||PREFILL|PULL|runs without --kv-transfer-config; a prefill node needs MooncakeConnector or LLMDataDistCMgrConnector with kv_role kv_producer (did its script lose a backslash",
                "aggregated||DECODE|LAYERWISE|needs MooncakeLayerwiseConnector with kv_role kv_consumer",
                "decode|pull|PREFILL|PULL|it is a decode node, but listed as a prefill node; is it in the wrong list?",
                "prefill|pull|PREFILL|LAYERWISE|it hands off by pull, but the gateway was started with --layerwise; leave that out",
                "decode|layerwise|DECODE|PULL|it hands off layerwise, but the gateway was started without --layerwise; add that",
                "gateway|pull|DECODE|PULL|it is a gateway, not a node"
            })
    void shouldSayWhyANodeDoesNotFit(String role, String handoff, NodeRole listedAs, HandoffKind kind, String problem) {
        assertThat(new NodeIdentity(role, handoff == null ? "" : handoff, "", "0")
                        .misfit(listedAs, kind)
                        .orElseThrow())
                .contains(problem);
    }

    @Test
    void shouldAskANodeLessOftenTheLongerItIsDown() {
        ProbeSchedule schedule = ProbeSchedule.DEFAULT;
        assertThat(schedule.whileDown(Duration.ZERO)).isEqualTo(Duration.ofMillis(250));
        assertThat(schedule.whileDown(Duration.ofSeconds(2))).isEqualTo(Duration.ofMillis(250));
        assertThat(schedule.whileDown(Duration.ofSeconds(16))).isEqualTo(Duration.ofSeconds(2));
        assertThat(schedule.whileDown(Duration.ofHours(1))).isEqualTo(Duration.ofSeconds(4));
    }

    @Test
    void shouldLetEqualEngineIdsBeWhereARankTableSaysWhoIsWho() {
        var prefill = new NodeIdentity("prefill", "pull", "LLMDataDistCMgrConnector", "0");
        var decode = new NodeIdentity("decode", "pull", "LLMDataDistCMgrConnector", "0");
        assertThat(prefill.misfit(NodeRole.PREFILL, HandoffKind.PULL)).isEmpty();
        assertThat(prefill.misfit(NodeRole.PREFILL, HandoffKind.LAYERWISE)).isPresent();
        assertThat(prefill.clash(decode, "d")).isEmpty();
        assertThat(new NodeIdentity("prefill", "pull", "MooncakeConnector", "0")
                        .clash(new NodeIdentity("decode", "pull", "MooncakeConnector", "0"), "d"))
                .hasValueSatisfying(clash -> assertThat(clash).contains("the same engine_id as the node d"));
        assertThat(prefill.clash(new NodeIdentity("decode", "pull", "MooncakeConnector", "1"), "d"))
                .hasValueSatisfying(clash -> assertThat(clash)
                        .contains("it runs LLMDataDistCMgrConnector, but the node d runs MooncakeConnector"));
    }
}
