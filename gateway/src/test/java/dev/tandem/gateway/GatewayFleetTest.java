package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Nodes that are listed and must not get requests: nobody listens there, or it is another kind of node. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayFleetTest {
    private static final String ASK = "{\"prompt\":\"x\"}";

    private final GatewayFixture gateway = new GatewayFixture();
    private final FakeNode prefill = FakeNode.prefill();
    private final FakeNode decode = FakeNode.decode();

    @AfterEach
    void close() {
        gateway.close();
    }

    private static FakeNode saying(FakeNode node, String role, String handoff, String engineId) {
        node.identity =
                "{\"role\":\"" + role + "\",\"handoff\":\"" + handoff + "\",\"engine_id\":\"" + engineId + "\"}";
        return node;
    }

    @Test
    void shouldNeverSendARequestToAListedNodeThatNobodyListensOn() {
        int headless = GatewayFixture.closedPort();
        gateway.withPrefill(prefill).withDecode(decode).withDecodePort(headless).start();
        for (int i = 0; i < 20; i++) {
            assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        }
        assertThat(gateway.counter("decode_retries")).isZero();
        assertThat(gateway.get("/health").status()).isEqualTo(200);
        assertThat(gateway.get("/health").text())
                .contains("\"left_out\":[{\"role\":\"decode\",\"node\":\"127.0.0.1:" + headless
                        + "\",\"state\":\"down\"");
        assertThat(gateway.metric("tandem_gateway_node_up{node=\"127.0.0.1:" + headless + "\",role=\"decode\"}"))
                .isZero();
    }

    @Test
    void shouldSayNothingOnHealthWhileEveryNodeServes() {
        gateway.withPrefill(prefill).withDecode(decode).start();
        assertThat(gateway.get("/health").text()).isEmpty();
    }

    @Test
    void shouldTakeNodesOfOursThatFit() {
        saying(prefill, "prefill", "pull", "0");
        saying(decode, "decode", "pull", "1");
        gateway.withPrefill(prefill).withDecode(decode).start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        assertThat(gateway.gateway().misfits()).isEmpty();
        assertThat(gateway.gateway().waitsFor()).isEmpty();
    }

    @Test
    void shouldLeaveOutANodeOfTheWrongConnectorAndSayWhy() throws Exception {
        FakeNode wrong = saying(FakeNode.prefill(), "prefill", "layerwise", "0");
        gateway.withDecode(decode).withWrongPrefill(wrong).start();
        GatewayFixture.await(() -> !gateway.gateway().misfits().isEmpty());
        assertThat(gateway.gateway().misfits())
                .singleElement()
                .asString()
                .contains("prefill 127.0.0.1:" + wrong.port(), "add that, or start the nodes with MooncakeConnector");
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=no-prefill-node");
        assertThat(wrong.waiting()).isZero();
        assertThat(gateway.get("/healthcheck").text()).contains("\"state\":\"misfit\"", "without --layerwise");
        assertThat(gateway.metric("tandem_gateway_node_misfit{node=\"" + wrong.address() + "\",role=\"prefill\"}"))
                .isEqualTo(1);
    }

    @Test
    void shouldLeaveOutAPrefillNodeThatHasLostItsConnector() throws Exception {
        FakeNode wrong = FakeNode.prefill();
        wrong.identity = "{\"role\":\"aggregated\"}";
        gateway.withDecode(decode)
                .withWrongPrefill(wrong)
                .refusingLocalPrefill()
                .start();
        GatewayFixture.await(() -> !gateway.gateway().misfits().isEmpty());
        assertThat(gateway.get("/health").status()).isEqualTo(503);
        assertThat(gateway.get("/health").text()).contains("runs without --kv-transfer-config");
    }

    @Test
    void shouldTakeANodeInOnceItHasBeenStartedRightly() throws Exception {
        FakeNode wrong = saying(FakeNode.prefill(), "decode", "pull", "0");
        gateway.withDecode(decode).withWrongPrefill(wrong).start();
        GatewayFixture.await(() -> !gateway.gateway().misfits().isEmpty());
        saying(wrong, "prefill", "pull", "0");
        GatewayFixture.await(
                () -> gateway.post(ASK).header("x-tandem-disaggregated").equals(java.util.Optional.of("true")));
    }

    @Test
    void shouldLeaveOneOutOfPrefillAndDecodeOfOneEngineId() throws Exception {
        saying(prefill, "prefill", "pull", "0");
        saying(decode, "decode", "pull", "0");
        gateway.withWrongPrefill(prefill).withWrongDecode(decode);
        gateway.startNow();
        GatewayFixture.await(() -> !gateway.gateway().misfits().isEmpty());
        assertThat(gateway.gateway().misfits())
                .singleElement()
                .asString()
                .contains("it has the same engine_id as the node ");
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).isNotEqualTo(Optional.of("true"));
    }

    @Test
    void shouldLeaveTheNewcomerOutAndLetWhoServesGoOn() throws Exception {
        FakeNode newcomer = saying(FakeNode.prefill(), "prefill", "pull", "d");
        newcomer.healthStatus = 503;
        saying(prefill, "prefill", "pull", "p");
        saying(decode, "decode", "pull", "d");
        gateway.withPrefill(prefill)
                .withDecode(decode)
                .withWrongPrefill(newcomer)
                .start();
        newcomer.healthStatus = 200;
        GatewayFixture.await(() -> !gateway.gateway().misfits().isEmpty());
        assertThat(gateway.gateway().misfits()).singleElement().asString().contains(":" + newcomer.port());
        for (int i = 0; i < 5; i++) {
            assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        }
        assertThat(newcomer.waiting()).isZero();
    }

    @Test
    void shouldTakeTheNewcomerWhenTheOneItClashedWithHasGone() throws Exception {
        FakeNode newcomer = saying(FakeNode.prefill(), "prefill", "pull", "d");
        newcomer.healthStatus = 503;
        saying(prefill, "prefill", "pull", "p");
        saying(decode, "decode", "pull", "d");
        FakeNode other = saying(FakeNode.decode(), "decode", "pull", "e");
        gateway.withPrefill(prefill)
                .withDecode(decode, other)
                .withWrongPrefill(newcomer)
                .start();
        newcomer.healthStatus = 200;
        GatewayFixture.await(() -> !gateway.gateway().misfits().isEmpty());
        decode.healthStatus = 503;
        GatewayFixture.await(() -> gateway.gateway().misfits().isEmpty()
                && gateway.get("/healthcheck").text().contains("\"prefill_healthy\":2"));
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
    }

    @Test
    void shouldSayWhatItWaitsFor() {
        int closed = GatewayFixture.closedPort();
        gateway.withPrefill(prefill).withDecodePort(closed).start();
        assertThat(gateway.gateway().waitsFor())
                .contains("waiting for a decode node: decode 127.0.0.1:" + closed + " (cannot connect to 127.0.0.1:"
                        + closed + ": Connection refused)");
    }
}
