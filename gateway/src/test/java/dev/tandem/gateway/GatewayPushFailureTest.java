package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeDecoder.Version;
import dev.tandem.gateway.FakeNode.Request;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Decode nodes first: nodes that fail on the way, and clients that leave. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayPushFailureTest {
    private static final String ASK = "{\"prompt\":\"x\"}";
    private static final String OURS = "{\"role\":\"%s\",\"handoff\":\"layerwise\",\"engine_id\":\"%s\"}";

    private final GatewayFixture gateway = new GatewayFixture().layerwise();

    @AfterEach
    void close() throws InterruptedException {
        GatewayFixture.await(gateway::isIdle);
        gateway.close();
    }

    private FakeDecoder decoder() {
        return FakeDecoder.answering(gateway.http, Version.NEWER);
    }

    private static FakeNode ours(FakeNode node) {
        node.identity = OURS.formatted("decode", "d" + node.port());
        return node;
    }

    private static FakeNode answering(int status, String body) {
        return new FakeNode((request, peer) -> peer.json(status, body));
    }

    private static FakeNode resetting() {
        return new FakeNode((request, peer) -> peer.reset());
    }

    /** A decode node as v0.11.0rc1: it waits for its blocks whatever the metaserver has said. */
    private FakeNode waitingForEver(CountDownLatch calledOff) {
        return new FakeNode(new FakeDecoder(gateway.http, Version.RC1, (request, status, peer) -> {
            if (status == 0 || status == 200) {
                peer.json(200, "{\"choices\":[{\"text\":\"ok\"}]}");
            } else {
                peer.awaitEnd();
                calledOff.countDown();
            }
        }));
    }

    @Test
    void shouldAskAnotherPrefillNodeWhileDecodeWaits() throws Exception {
        for (FakeNode failing : List.of(answering(503, "{}"), answering(429, "{}"))) {
            FakeDecoder decoder = decoder();
            GatewayFixture one = new GatewayFixture().layerwise();
            FakeNode other = FakeDecoder.prefill();
            one.withPrefill(failing, other).withDecode(new FakeNode(decoder)).start();
            HttpReply reply = one.post(ASK);
            while (failing.waiting() == 0) {
                reply = one.post(ASK);
            }
            assertThat(reply.header("x-tandem-disaggregated")).contains("true");
            assertThat(decoder.replies)
                    .allSatisfy(answer -> assertThat(answer.status()).isEqualTo(200));
            Request first = failing.take();
            Request second = other.take();
            while (other.waiting() > 0) {
                second = other.take();
            }
            assertThat(second.body()).isEqualTo(first.body());
            GatewayFixture.await(one::isIdle);
            one.close();
        }
        gateway.withPrefill(FakeDecoder.prefill()).withDecode(FakeNode.decode()).start();
    }

    @Test
    void shouldAskAnotherPrefillNodeForADecodeNodeOfOursWhenOneDiesInMidPush() throws Exception {
        FakeDecoder decoder = decoder();
        FakeNode dying = resetting();
        gateway.withPrefill(dying, FakeDecoder.prefill())
                .withDecode(ours(new FakeNode(decoder)))
                .start();
        HttpReply reply = gateway.post(ASK);
        while (dying.waiting() == 0) {
            reply = gateway.post(ASK);
        }
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(decoder.replies)
                .allSatisfy(answer -> assertThat(answer.status()).isEqualTo(200));
    }

    /** What P wrote last let D begin; how P's own call ends then is nothing to the client. */
    @ParameterizedTest
    @ValueSource(ints = {0, 400, 500})
    void shouldGoOnWithTheAnswerOfADecodeNodeWhosePrefillNodeFailsBehindItsLastWrite(int status) {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch begun = new CountDownLatch(1);
        FakeNode prefill = new FakeNode((request, peer) -> {
            asked.countDown();
            assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
            if (status == 0) {
                peer.reset();
            } else {
                peer.json(status, "{}");
            }
        });
        FakeDecoder decoder = decoder();
        FakeNode decode = new FakeNode((request, peer) -> {
            ClientExchange post = decoder.post(request);
            assertThat(asked.await(20, TimeUnit.SECONDS)).isTrue();
            peer.startEvents().chunk("data: {\"choices\":[{\"text\":\"a\"}]}\n\n");
            assertThat(post.reply(GatewayFixture.DEADLINE).status()).isEqualTo(502);
            peer.chunk("data: {\"choices\":[{\"text\":\"b\"}]}\n\ndata: [DONE]\n\n")
                    .endChunks();
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        ClientExchange client = gateway.open("{\"prompt\":\"x\",\"stream\":true}");
        String first = GatewayFixture.readUntil(client, "\"a\"}]}");
        begun.countDown();
        assertThat(first + GatewayFixture.readUntil(client, "[DONE]"))
                .isEqualTo(
                        "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"choices\":[{\"text\":\"b\"}]}\n\ndata: [DONE]\n\n");
        assertThat(client.next()).isEmpty();
        assertThat(decode.waiting()).as("calls of a decode node").isEqualTo(1);
    }

    @Test
    void shouldTellDecodeWhenNoPrefillNodeCanAndRelayWhatItRecomputes() {
        FakeDecoder decoder = decoder();
        gateway.withPrefill(resetting()).withDecode(ours(new FakeNode(decoder))).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=prefill-failed");
        assertThat(decoder.replies.element().status()).isEqualTo(502);
        assertThat(decoder.replies.element().text()).contains("the prompt could not be computed");
        assertThat(gateway.counter("pushes_failed")).isEqualTo(1);
        assertThat(gateway.notDisaggregated("prefill-failed")).isEqualTo(1);
    }

    @Test
    void shouldPassOnWhatADecodeNodeSaysThatFailsInstead() {
        FakeNode decode = ours(new FakeNode(new FakeDecoder(
                gateway.http,
                Version.NEWER,
                (request, status, peer) -> peer.json(500, "{\"error\":{\"message\":\"no KV\"}}"))));
        gateway.withPrefill(answering(500, "{}")).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(500);
        assertThat(reply.text()).contains("no KV");
    }

    @Test
    void shouldNotLetAForeignDecodeNodeWaitForEver() throws Exception {
        CountDownLatch calledOff = new CountDownLatch(1);
        FakeNode decode = waitingForEver(calledOff);
        gateway.withPrefill(answering(500, "{}")).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=prefill-failed");
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(decode.take().json().has("kv_transfer_params")).isTrue();
        assertThat(decode.take().json().has("kv_transfer_params")).isFalse();
    }

    @Test
    void shouldGiveAForeignDecodeNodeFreshBlocksWhenAPrefillNodeMayHaveWritten() throws Exception {
        CountDownLatch calledOff = new CountDownLatch(1);
        FakeNode decode = waitingForEver(calledOff);
        FakeNode dying = resetting();
        gateway.withPrefill(dying, FakeDecoder.prefill()).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        while (dying.waiting() == 0) {
            decode.take();
            reply = gateway.post(ASK);
        }
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
        String first = decode.take().headers().get("x-request-id");
        assertThat(decode.take().headers().get("x-request-id")).isNotEqualTo(first);
    }

    @Test
    void shouldCallDecodeAnewWhenAPrefillNodeOfOursHasToldItOfTheFailure() throws Exception {
        for (int status : new int[] {429, 502, 503}) {
            FakeNode failing = answering(status, "{}");
            failing.identity = OURS.formatted("prefill", "p" + failing.port());
            FakeDecoder decoder = decoder();
            GatewayFixture one = new GatewayFixture().layerwise();
            FakeNode decode = ours(new FakeNode(decoder));
            one.withPrefill(failing, FakeDecoder.prefill()).withDecode(decode).start();
            HttpReply reply = one.post(ASK);
            while (failing.waiting() == 0) {
                decode.take();
                reply = one.post(ASK);
            }
            assertThat(reply.header("x-tandem-disaggregated")).contains("true");
            String first = decode.take().headers().get("x-request-id");
            assertThat(decode.take().headers().get("x-request-id")).isNotEqualTo(first);
            GatewayFixture.await(one::isIdle);
            one.close();
        }
        gateway.withPrefill(FakeDecoder.prefill()).withDecode(FakeNode.decode()).start();
    }

    @Test
    void shouldFailAtOnceWhereThePolicySaysSo() throws Exception {
        CountDownLatch calledOff = new CountDownLatch(1);
        gateway.withPrefill(answering(500, "{}"))
                .withDecode(waitingForEver(calledOff))
                .refusingLocalPrefill()
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(502);
        assertThat(reply.text()).contains("prefill-failed");
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void shouldPassAPrefillRefusalOnToTheClient() throws Exception {
        CountDownLatch calledOff = new CountDownLatch(1);
        String error = "{\"error\":{\"message\":\"too long\",\"code\":400}}";
        gateway.withPrefill(answering(400, error))
                .withDecode(waitingForEver(calledOff))
                .start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).isEqualTo(error);
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void shouldAskAnotherDecodeNodeAndRefuseTheLatePostOfTheFirst() throws Exception {
        BlockingQueue<Request> given = new LinkedBlockingQueue<>();
        FakeNode dying = new FakeNode((request, peer) -> {
            given.add(request);
            peer.reset();
        });
        FakeDecoder decoder = decoder();
        FakeNode prefill = FakeDecoder.prefill();
        gateway.withPrefill(prefill).withDecode(dying, new FakeNode(decoder)).start();
        HttpReply reply = gateway.post(ASK);
        while (given.isEmpty()) {
            reply = gateway.post(ASK);
        }
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(decoder.post(given.take()).reply(GatewayFixture.DEADLINE).status())
                .isEqualTo(404);
        assertThat(gateway.counter("decode_retries")).isEqualTo(1);
    }

    @Test
    void shouldCallPrefillOffWhenDecodeDiesWhileItComputes() throws Exception {
        CountDownLatch computing = new CountDownLatch(1);
        CountDownLatch calledOff = new CountDownLatch(1);
        FakeNode prefill = new FakeNode((request, peer) -> {
            computing.countDown();
            peer.awaitEnd();
            calledOff.countDown();
        });
        FakeDecoder decoder = decoder();
        FakeNode dying = new FakeNode((request, peer) -> {
            decoder.post(request);
            assertThat(computing.await(20, TimeUnit.SECONDS)).isTrue();
            peer.reset();
        });
        gateway.withPrefill(prefill).withDecode(dying).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(502);
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void shouldReleaseBothLegsOfAClientThatLeaves() throws Exception {
        CountDownLatch prefillEnded = new CountDownLatch(1);
        CountDownLatch decodeEnded = new CountDownLatch(1);
        FakeNode prefill = new FakeNode((request, peer) -> {
            peer.awaitEnd();
            prefillEnded.countDown();
        });
        FakeDecoder decoder = decoder();
        BlockingQueue<HttpReply> told = new LinkedBlockingQueue<>();
        FakeNode decode = new FakeNode((request, peer) -> {
            ClientExchange post = decoder.post(request);
            peer.awaitEnd();
            told.add(post.reply(GatewayFixture.DEADLINE));
            decodeEnded.countDown();
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        ClientExchange client = gateway.open(ASK);
        prefill.take();
        client.cancel();
        assertThat(prefillEnded.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(decodeEnded.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(told.take().status()).isEqualTo(404);
        Request given = decode.take();
        assertThat(decoder.post(given).reply(GatewayFixture.DEADLINE).status()).isEqualTo(404);
    }
}
