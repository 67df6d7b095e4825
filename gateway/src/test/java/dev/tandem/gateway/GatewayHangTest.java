package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeDecoder.Version;
import dev.tandem.gateway.FakeNode.Peer;
import dev.tandem.gateway.FakeNode.Request;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Nodes that stop answering without a word while they have requests: calls that wait for them go elsewhere, or end with a clear error. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayHangTest {
    private static final String ASK = "{\"prompt\":\"x\"}";
    private static final String STREAM = "{\"prompt\":\"x\",\"stream\":true}";
    private static final String EVENT = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
    private static final Duration SILENCE = Duration.ofMillis(800);
    private static final GatewayLimits PATIENT = new GatewayLimits(
            1, 1 << 20, 100, new LegTimeouts(Duration.ofMinutes(10), Duration.ofMinutes(10)), Duration.ofSeconds(1));

    private final GatewayFixture gateway =
            new GatewayFixture().withLimits(PATIENT).withSilence(SILENCE);
    /** The node that hangs, once one does. */
    private final AtomicReference<FakeNode> hanging = new AtomicReference<>();

    private final CountDownLatch calledOff = new CountDownLatch(1);

    @AfterEach
    void close() throws InterruptedException {
        GatewayFixture.await(gateway::isIdle);
        gateway.close();
    }

    /** A node whose process is stopped while it has its first request, if it is the first of its kind that gets one. */
    private FakeNode hangingOnce(FakeNode.Script before, FakeNode.Script otherwise) {
        AtomicReference<FakeNode> self = new AtomicReference<>();
        FakeNode node = new FakeNode((request, peer) -> {
            if (hanging.compareAndSet(null, self.get())) {
                before.answer(request, peer);
                self.get().hangs = true;
                peer.awaitEnd();
                calledOff.countDown();
            } else {
                otherwise.answer(request, peer);
            }
        });
        self.set(node);
        return node;
    }

    private FakeNode hangingDecode() {
        return hangingOnce((request, peer) -> {}, (request, peer) -> ok(peer));
    }

    private FakeNode hangingPrefill() {
        return hangingOnce(
                (request, peer) -> {},
                (request, peer) -> peer.json(200, "{\"kv_transfer_params\":" + FakeNode.TICKET + "}"));
    }

    private static void ok(Peer peer) throws Exception {
        peer.json(200, "{\"choices\":[{\"text\":\"ok\"}]}");
    }

    private static FakeNode ours(FakeNode node, String role, String handoff) {
        node.identity =
                "{\"role\":\"" + role + "\",\"handoff\":\"" + handoff + "\",\"engine_id\":\"" + node.port() + "\"}";
        return node;
    }

    private FakeNode other(FakeNode first, FakeNode second) {
        return hanging.get() == first ? second : first;
    }

    private void awaitCalledOff() throws InterruptedException {
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void shouldGiveTheTicketToAnotherDecodeNodeWhenOneHangs() throws Exception {
        FakeNode first = ours(hangingDecode(), "decode", "pull");
        FakeNode second = ours(hangingDecode(), "decode", "pull");
        gateway.withPrefill(ours(FakeNode.prefill(), "prefill", "pull"))
                .withDecode(first, second)
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(other(first, second).take().body()).contains(FakeNode.TICKET);
        assertThat(gateway.counter("calls_hung")).isEqualTo(1);
        assertThat(gateway.get("/healthcheck").text()).contains("\"state\":\"hung\"");
        awaitCalledOff();
    }

    @Test
    void shouldNotGiveATicketTwiceToForeignNodes() throws Exception {
        FakeNode first = hangingDecode();
        FakeNode second = hangingDecode();
        gateway.withPrefill(FakeNode.prefill()).withDecode(first, second).start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=decode-retried");
        assertThat(other(first, second).take().json().has("kv_transfer_params")).isFalse();
    }

    @Test
    void shouldAskAnotherDecodeNodeWhenOneHangsBehindTheHeadOfItsReply() throws Exception {
        FakeNode.Script half = (request, peer) ->
                peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"cho");
        FakeNode first = hangingOnce(half, (request, peer) -> ok(peer));
        FakeNode second = hangingOnce(half, (request, peer) -> ok(peer));
        gateway.withPrefill(FakeNode.prefill()).withDecode(first, second).start();
        assertThat(gateway.post(ASK).text()).contains("\"ok\"");
    }

    @Test
    void shouldSayThatTheOnlyDecodeNodeHangs() {
        gateway.withPrefill(FakeNode.prefill()).withDecode(hangingDecode()).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(504);
        assertThat(reply.header("Retry-After")).contains("1");
        assertThat(reply.text()).contains("the decode node stayed silent");
    }

    @Test
    void shouldEndAStreamWithAnErrorEventWhenItsNodeHangs() {
        FakeNode decode = hangingOnce((request, peer) -> peer.startEvents().chunk(EVENT), (request, peer) -> ok(peer));
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        ClientExchange stream = gateway.open(STREAM);
        assertThat(GatewayFixture.readUntil(stream, "}}\n\n"))
                .startsWith(EVENT)
                .contains("\"error\"", "fell silent")
                .doesNotContain("[DONE]");
        assertThat(stream.next()).isEmpty();
        assertThat(gateway.counter("streams_broken")).isEqualTo(1);
    }

    @Test
    void shouldAskAnotherPrefillNodeWhenOneHangs() {
        gateway.withPrefill(hangingPrefill(), hangingPrefill())
                .withDecode(FakeNode.decode())
                .start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
    }

    @Test
    void shouldLetDecodeComputeAloneWhenTheOnlyPrefillNodeHangs() {
        gateway.withPrefill(hangingPrefill()).withDecode(FakeNode.decode()).start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=prefill-failed");
    }

    @Test
    void shouldTellAPrefillNodeThatHungToLendNothingWhenItGoesOn() throws Exception {
        FakeNode prefill = hangingPrefill();
        gateway.withPrefill(prefill).withDecode(FakeNode.decode()).start();
        HttpReply reply = gateway.post(ASK);
        prefill.hangs = false;
        assertThat(prefill.takeCancel().cancelled())
                .containsExactly(reply.header("X-Request-Id").orElseThrow());
    }

    @Test
    void shouldFailInsteadWhereThePolicySaysSo() {
        gateway.withPrefill(hangingPrefill())
                .withDecode(FakeNode.decode())
                .refusingLocalPrefill()
                .start();
        assertThat(gateway.post(ASK).status()).isEqualTo(502);
    }

    @Test
    void shouldLetANodeEndItsRequestsThatIsDownButAnswers() throws Exception {
        CountDownLatch seenDown = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            seenDown.await(20, TimeUnit.SECONDS);
            ok(peer);
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        ClientExchange running = gateway.open(ASK);
        decode.take();
        decode.healthStatus = 503; // as while it drains
        GatewayFixture.await(() -> gateway.get("/healthcheck").text().contains("\"decode_healthy\":0"));
        seenDown.countDown();
        assertThat(running.reply(GatewayFixture.DEADLINE).status()).isEqualTo(200);
    }

    @Test
    void shouldSendRequestsAgainToANodeThatGoesOn() throws Exception {
        FakeNode decode = hangingDecode();
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        assertThat(gateway.post(ASK).status()).isEqualTo(504);
        decode.hangs = false;
        GatewayFixture.await(() -> gateway.post(ASK).status() == 200);
    }

    @Test
    void shouldCallAnotherDecodeNodeFirstWhenOneHangsBeforeItHasPosted() throws Exception {
        FakeDecoder decoder = FakeDecoder.answering(gateway.http, Version.NEWER);
        FakeNode first = hangingOnce((request, peer) -> {}, decoder);
        FakeNode second = hangingOnce((request, peer) -> {}, decoder);
        gateway.layerwise()
                .withPrefill(FakeDecoder.prefill())
                .withDecode(first, second)
                .start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        awaitCalledOff();
    }

    @Test
    void shouldCallAnotherDecodeNodeAnewWhenOneHangsWhileItsPromptIsComputed() throws Exception {
        FakeDecoder decoder = FakeDecoder.answering(gateway.http, Version.NEWER);
        CountDownLatch decodeHangs = new CountDownLatch(1);
        FakeNode.Script postThenHang = (request, peer) -> {
            decoder.post(request);
            decodeHangs.countDown();
        };
        FakeNode prefill = new FakeNode((request, peer) -> {
            if (calledOff.getCount() == 1) {
                decodeHangs.await(20, TimeUnit.SECONDS);
                peer.awaitEnd(); // the push to the node that hangs is called off
            } else {
                peer.json(200, "{}");
            }
        });
        gateway.layerwise()
                .withPrefill(prefill)
                .withDecode(hangingOnce(postThenHang, decoder), hangingOnce(postThenHang, decoder))
                .start();
        assertThat(gateway.post(ASK).status()).isEqualTo(200);
        Request pushed = prefill.take();
        Request again = prefill.take();
        assertThat(again.headers().get("x-request-id"))
                .isNotEqualTo(pushed.headers().get("x-request-id"));
    }

    @Test
    void shouldAskAnotherPrefillNodeWhileDecodeWaitsWhenOneHangs() {
        FakeDecoder decoder = FakeDecoder.answering(gateway.http, Version.NEWER);
        FakeNode.Script pushed = (request, peer) -> peer.json(200, "{}");
        gateway.layerwise()
                .withPrefill(hangingOnce((request, peer) -> {}, pushed), hangingOnce((request, peer) -> {}, pushed))
                .withDecode(ours(new FakeNode(decoder), "decode", "layerwise"))
                .start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        assertThat(decoder.posts).hasSize(1);
        assertThat(decoder.replies).extracting(HttpReply::status).containsExactly(200);
    }

    @Test
    void shouldTellDecodeThatTheOnlyPrefillNodeHangs() {
        FakeDecoder decoder = FakeDecoder.answering(gateway.http, Version.NEWER);
        gateway.layerwise()
                .withPrefill(hangingOnce((request, peer) -> {}, (request, peer) -> peer.json(200, "{}")))
                .withDecode(ours(new FakeNode(decoder), "decode", "layerwise"))
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).isEqualTo(Optional.of("false; reason=prefill-failed"));
        assertThat(List.copyOf(decoder.replies)).extracting(HttpReply::status).containsExactly(502);
    }

    @Test
    void shouldGiveACallUpThatIsSilentForTooLongAtANodeThatAnswers() {
        FakeNode silent = new FakeNode((request, peer) -> peer.awaitEnd());
        GatewayLimits impatient = new GatewayLimits(
                1, 1 << 20, 100, new LegTimeouts(SILENCE, GatewayFixture.DEADLINE), Duration.ofSeconds(1));
        gateway.withLimits(impatient)
                .withPrefill(FakeNode.prefill())
                .withDecode(silent)
                .start();
        assertThat(gateway.post(ASK).status()).isEqualTo(504);
        assertThat(gateway.counter("calls_hung")).isZero();
    }

    @Test
    void shouldEndAStreamThatIsSilentForTooLongBetweenTwoTokens() {
        FakeNode pausing = new FakeNode((request, peer) -> {
            peer.startEvents().chunk(EVENT);
            peer.awaitEnd();
        });
        GatewayLimits impatient = new GatewayLimits(
                1, 1 << 20, 100, new LegTimeouts(GatewayFixture.DEADLINE, SILENCE), Duration.ofSeconds(1));
        gateway.withLimits(impatient)
                .withPrefill(FakeNode.prefill())
                .withDecode(pausing)
                .start();
        ClientExchange stream = gateway.open(STREAM);
        assertThat(GatewayFixture.readUntil(stream, "}}\n\n")).contains("fell silent");
    }
}
