package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpReply;
import java.util.ArrayList;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Nodes that fail, refuse, vanish and return; clients that leave. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayFailureTest {
    private static final String ASK = "{\"prompt\":\"x\"}";
    private static final String STREAM = "{\"prompt\":\"x\",\"stream\":true}";

    private final GatewayFixture gateway = new GatewayFixture();

    @AfterEach
    void close() throws InterruptedException {
        GatewayFixture.await(gateway::isIdle);
        gateway.close();
    }

    private static FakeNode answering(int status, String body) {
        return new FakeNode((request, peer) -> peer.json(status, body));
    }

    private static FakeNode resetting() {
        return new FakeNode((request, peer) -> peer.reset());
    }

    /** Sends requests until this node has got one. */
    private HttpReply postUntilAsked(FakeNode node) {
        while (true) {
            HttpReply reply = gateway.post(ASK);
            if (node.waiting() > 0) {
                return reply;
            }
        }
    }

    @Test
    void shouldPassAPrefillRefusalOnToTheClient() {
        FakeNode decode = FakeNode.decode();
        String error =
                "{\"error\":{\"message\":\"too long\",\"type\":\"BadRequestError\",\"param\":\"prompt\",\"code\":400}}";
        gateway.withPrefill(answering(400, error)).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).isEqualTo(error);
        assertThat(decode.waiting()).isZero();
        assertThat(gateway.counter("upstream_errors")).isEqualTo(1);
    }

    @Test
    void shouldAskAnotherPrefillNodeWhenOneFails() throws Exception {
        FakeNode failing = answering(500, "{}");
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(failing, FakeNode.prefill()).withDecode(decode).start();
        HttpReply reply = postUntilAsked(failing);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(gateway.counter("prefill_retries")).isGreaterThanOrEqualTo(1);
    }

    @Test
    void shouldAskAnotherPrefillNodeWhenOneBreaksAndTellItToLendNothing() throws Exception {
        FakeNode breaking = resetting();
        gateway.withPrefill(breaking, FakeNode.prefill())
                .withDecode(FakeNode.decode())
                .start();
        HttpReply reply = postUntilAsked(breaking);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(breaking.takeCancel().cancelled())
                .containsExactly(reply.header("X-Request-Id").orElseThrow());
    }

    @Test
    void shouldAskAnotherPrefillNodeWhenOneIsOverloaded() throws Exception {
        FakeNode busy = answering(429, "{}");
        gateway.withPrefill(busy, FakeNode.prefill())
                .withDecode(FakeNode.decode())
                .start();
        assertThat(postUntilAsked(busy).header("x-tandem-disaggregated")).contains("true");
    }

    @Test
    void shouldPassOverloadOnWhenEveryPrefillNodeIsOverloaded() {
        gateway.withPrefill(answering(429, "{\"error\":{}}"))
                .withDecode(FakeNode.decode())
                .start();
        assertThat(gateway.post(ASK).status()).isEqualTo(429);
    }

    @Test
    void shouldLetDecodeComputeAloneWhenEveryPrefillNodeFails() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(answering(503, "{}")).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=prefill-failed");
        assertThat(decode.take().json().has("kv_transfer_params")).isFalse();
        assertThat(gateway.notDisaggregated("prefill-failed")).isEqualTo(1);
        assertThat(gateway.counter("disaggregated")).isZero();
    }

    @Test
    void shouldFailInsteadWhereThePolicySaysSo() {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(answering(503, "{}"))
                .withDecode(decode)
                .refusingLocalPrefill()
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(502);
        assertThat(reply.text()).contains("could not be disaggregated (prefill-failed)");
        assertThat(decode.waiting()).isZero();
    }

    @Test
    void shouldNeverBeSilentAboutAMissingTicket() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(answering(200, "{\"kv_transfer_params\":null}"))
                .withDecode(decode)
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=no-ticket");
        assertThat(decode.take().json().has("kv_transfer_params")).isFalse();
        assertThat(gateway.notDisaggregated("no-ticket")).isEqualTo(1);
    }

    @Test
    void shouldTakeAnEmptyTicketForNone() {
        gateway.withPrefill(answering(200, "{\"kv_transfer_params\":{ }}"))
                .withDecode(FakeNode.decode())
                .refusingLocalPrefill()
                .start();
        assertThat(gateway.post(ASK).status()).isEqualTo(502);
    }

    @Test
    void shouldNotTakeRubbishOfAPrefillNodeForAnAnswer() {
        gateway.withPrefill(answering(200, "<html>"))
                .withDecode(FakeNode.decode())
                .start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=prefill-failed");
    }

    @Test
    void shouldNameTheRoleThatIsMissing() {
        gateway.withPrefill(FakeNode.prefill())
                .withDecodePort(GatewayFixture.closedPort())
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(503);
        assertThat(reply.header("Retry-After")).contains("1");
        assertThat(reply.text()).contains("no healthy decode node");
        assertThat(gateway.get("/health").status()).isEqualTo(503);
        assertThat(gateway.get("/health").text()).contains("decode");
    }

    @Test
    void shouldServeWithoutPrefillNodesAsThePolicySays() {
        gateway.withPrefillPort(GatewayFixture.closedPort())
                .withDecode(FakeNode.decode())
                .start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=no-prefill-node");
    }

    @Test
    void shouldRefuseWithoutPrefillNodesAsThePolicySays() {
        gateway.withPrefillPort(GatewayFixture.closedPort())
                .withDecode(FakeNode.decode())
                .refusingLocalPrefill()
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(503);
        assertThat(reply.header("Retry-After")).contains("1");
        assertThat(gateway.get("/health").text()).contains("prefill");
    }

    @Test
    void shouldGiveTheTicketToAnotherDecodeNodeWhenOneCannotBeReached() throws Exception {
        FakeNode dying = new FakeNode((request, peer) -> peer.json(200, "{}"));
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(FakeNode.prefill()).withDecode(dying, decode).start();
        dying.close(); // the next request may be the first to learn of it
        for (int i = 0; i < 10; i++) {
            HttpReply reply = gateway.post(ASK);
            assertThat(reply.status()).isEqualTo(200);
            assertThat(reply.header("x-tandem-disaggregated")).contains("true");
            assertThat(decode.take().body()).contains(FakeNode.TICKET);
        }
    }

    @Test
    void shouldNotReuseATicketThatAFailedDecodeNodeMayHaveUsed() throws Exception {
        FakeNode breaking = resetting();
        FakeNode decode = FakeNode.decode();
        FakeNode prefill = FakeNode.prefill();
        gateway.withPrefill(prefill).withDecode(breaking, decode).start();
        HttpReply reply = postUntilAsked(breaking);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=decode-retried");
        assertThat(prefill.takeCancel().cancelled())
                .containsExactly(reply.header("X-Request-Id").orElseThrow());
        FakeNode.Request last = decode.take();
        while (decode.waiting() > 0) {
            last = decode.take();
        }
        assertThat(last.json().has("kv_transfer_params")).isFalse();
        assertThat(gateway.counter("decode_retries")).isGreaterThanOrEqualTo(1);
    }

    @Test
    void shouldAnswerWithABodyWhenTheOnlyDecodeNodeDies() throws Exception {
        FakeNode prefill = FakeNode.prefill();
        gateway.withPrefill(prefill).withDecode(resetting()).start();
        for (String body : new String[] {ASK, STREAM}) {
            HttpReply reply = gateway.post(body);
            assertThat(reply.status()).isEqualTo(502);
            assertThat(reply.text()).contains("\"error\"", "decode node");
            prefill.takeCancel();
        }
        assertThat(gateway.counter("gateway_errors")).isEqualTo(2);
    }

    @Test
    void shouldAskAnotherDecodeNodeWhenAStreamEndsBeforeItsFirstEvent() throws Exception {
        FakeNode halting = new FakeNode((request, peer) -> {
            peer.startEvents().chunk("data: {\"half");
            peer.close();
        });
        FakeNode decode = new FakeNode((request, peer) ->
                peer.startEvents().chunk("data: 1\n\ndata: [DONE]\n\n").endChunks());
        gateway.withPrefill(FakeNode.prefill()).withDecode(halting, decode).start();
        HttpReply reply = gateway.post(STREAM);
        while (halting.waiting() == 0) {
            reply = gateway.post(STREAM);
        }
        assertThat(reply.text()).isEqualTo("data: 1\n\ndata: [DONE]\n\n");
    }

    @Test
    void shouldEndABrokenStreamWithAnErrorEventAndNoHalfEvent() throws Exception {
        FakeNode prefill = FakeNode.prefill();
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.startEvents().chunk("data: 1\n\ndata: {\"half");
            peer.reset();
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        ClientExchange client = gateway.open(STREAM);
        HttpReply reply = client.reply(GatewayFixture.DEADLINE);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.text())
                .startsWith("data: 1\n\ndata: {\"error\":{")
                .endsWith("\"code\":502}}\n\n")
                .doesNotContain("half", "[DONE]");
        assertThat(gateway.counter("streams_broken")).isEqualTo(1);
        prefill.takeCancel();
    }

    @Test
    void shouldNotTakeAStreamWithoutItsEndForComplete() {
        FakeNode decode = new FakeNode(
                (request, peer) -> peer.startEvents().chunk("data: 1\n\n").endChunks());
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        assertThat(gateway.post(STREAM).text())
                .startsWith("data: 1\n\ndata: {\"error\":")
                .doesNotContain("[DONE]");
    }

    @Test
    void shouldTakeAStreamWithItsEndForCompleteHoweverTheConnectionEnds() throws Exception {
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.startEvents().chunk("data: 1\n\ndata: [DONE]\n\n");
            peer.close();
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        assertThat(gateway.post(STREAM).text()).isEqualTo("data: 1\n\ndata: [DONE]\n\n");
        assertThat(gateway.counter("streams_broken")).isZero();
    }

    @Test
    void shouldNotPassOnHalfOfAnAnswerInOnePiece() {
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half");
            peer.close();
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(502);
        assertThat(reply.text()).contains("\"error\"").doesNotContain("half");
    }

    @Test
    void shouldNeverAnswer200WithNothing() {
        gateway.withPrefill(FakeNode.prefill()).withDecode(answering(200, "")).start();
        assertThat(gateway.post(ASK).status()).isEqualTo(502);
    }

    @Test
    void shouldPassADecodeRefusalOnAndFreePrefillsBlocks() throws Exception {
        FakeNode prefill = FakeNode.prefill();
        gateway.withPrefill(prefill)
                .withDecode(answering(422, "{\"error\":{}}"))
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(422);
        assertThat(reply.text()).isEqualTo("{\"error\":{}}");
        prefill.takeCancel();
    }

    @Test
    void shouldPassAServerErrorOnWhenThereIsNoOtherDecodeNode() {
        gateway.withPrefill(FakeNode.prefill())
                .withDecode(answering(500, "{\"error\":{\"message\":\"dead\"}}"))
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(500);
        assertThat(reply.text()).contains("dead");
    }

    @Test
    void shouldNotAskANodeToCancelAgainThatDoesNotKnowHow() throws Exception {
        FakeNode prefill = FakeNode.prefill();
        prefill.cancelStatus = 404;
        gateway.withPrefill(prefill).withDecode(answering(422, "{}")).start();
        gateway.post(ASK);
        prefill.takeCancel();
        GatewayFixture.await(() -> {
            int before = prefill.waitingCancels();
            gateway.post(ASK);
            return prefill.waitingCancels() == before;
        });
    }

    @Test
    void shouldCancelThePrefillOfAClientThatLeaves() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        FakeNode prefill = new FakeNode((request, peer) -> {
            peer.awaitEnd();
            ended.countDown();
        });
        gateway.withPrefill(prefill).withDecode(FakeNode.decode()).start();
        ClientExchange client = gateway.open(ASK);
        String id = prefill.take().headers().get("x-request-id");
        client.cancel();
        assertThat(ended.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(prefill.takeCancel().cancelled()).containsExactly(id);
        GatewayFixture.await(() -> gateway.counter("clients_gone") == 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {200, 500})
    void shouldCancelWhatIsLeftWhileANodeIsCalledWithOneMoreCall(int status) throws Exception {
        FakeNode prefill = new FakeNode((request, peer) -> peer.awaitEnd());
        prefill.cancelStatus = status;
        prefill.cancelGate = new CountDownLatch(1);
        gateway.withPrefill(prefill).withDecode(FakeNode.decode()).start();
        var clients = new ArrayList<ClientExchange>();
        var ids = new ArrayList<String>();
        for (int i = 0; i < 12; i++) {
            clients.add(gateway.open(ASK));
            ids.add(prefill.take().headers().get("x-request-id"));
        }

        clients.removeFirst().cancel();
        assertThat(prefill.takeCancel().cancelled()).containsExactly(ids.removeFirst());
        clients.forEach(ClientExchange::cancel);
        GatewayFixture.await(() -> gateway.counter("handoffs_cancelled") == 12);
        prefill.cancelGate.countDown();

        assertThat(prefill.takeCancel().cancelled()).containsExactlyInAnyOrderElementsOf(ids);
        GatewayFixture.await(() -> gateway.counter("handoff_cancels_failed") == (status == 200 ? 0 : 12));
        assertThat(prefill.waitingCancels()).isZero();
    }

    @Test
    void shouldCancelTheDecodeOfAClientThatLeavesWhileItIsSilent() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        FakeNode prefill = FakeNode.prefill();
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.startEvents().chunk("data: 1\n\n");
            peer.awaitEnd();
            ended.countDown();
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        ClientExchange client = gateway.open(STREAM);
        GatewayFixture.readUntil(client, "data: 1\n\n");
        client.cancel();
        assertThat(ended.await(20, TimeUnit.SECONDS)).isTrue();
        prefill.takeCancel();
    }

    @Test
    void shouldHoldADecodeNodeBackWhileTheClientIsSlowAndLoseNothing() throws Exception {
        int events = 150_000; // more than the socket buffers on the way can hold
        String event = "data: " + "x".repeat(1000) + "\n\n";
        CountDownLatch written = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.startEvents();
            for (int i = 0; i < events; i++) {
                peer.chunk(event);
            }
            written.countDown();
            peer.chunk("data: [DONE]\n\n").endChunks();
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        ClientExchange client = gateway.open(STREAM);
        assertThat(client.head().status()).isEqualTo(200);
        assertThat(written.await(500, TimeUnit.MILLISECONDS)).isFalse();
        long bytes = 0;
        for (Optional<byte[]> part = client.next(); part.isPresent(); part = client.next()) {
            bytes += part.get().length;
        }
        assertThat(bytes).isEqualTo((long) events * event.length() + "data: [DONE]\n\n".length());
    }

    @Test
    void shouldTakeANodeOutWhenItDiesAndBackWhenItReturns() throws Exception {
        FakeNode decode = FakeNode.decode();
        int port = decode.port();
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        assertThat(gateway.post(ASK).status()).isEqualTo(200);
        decode.close();
        GatewayFixture.await(() -> gateway.post(ASK).text().contains("no healthy decode node"));
        try (FakeNode back = new FakeNode(port, (request, peer) -> peer.json(200, "{\"back\":1}"))) {
            GatewayFixture.await(() -> gateway.post(ASK).status() == 200);
            assertThat(back.waiting()).isGreaterThan(0);
            GatewayFixture.await(gateway::isIdle);
        }
    }

    @Test
    void shouldTakeANodeOutThatSaysItIsIll() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        decode.healthStatus = 503;
        GatewayFixture.await(() -> gateway.get("/health").status() == 503);
        decode.healthStatus = 200;
        GatewayFixture.await(() -> gateway.get("/health").status() == 200);
        assertThat(gateway.metric("tandem_gateway_node_downs_total{node=\"" + decode.address() + "\",role=\"decode\"}"))
                .isEqualTo(1);
    }
}
