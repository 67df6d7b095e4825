package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeDecoder.Version;
import dev.tandem.gateway.FakeNode.Request;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** Decode nodes first: what goes to whom, and what the metaserver answers, before nodes of vllm-ascend of several versions. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayPushTest {
    private static final String ASK = "{\"prompt\":\"x\",\"max_tokens\":9}";

    private final GatewayFixture gateway = new GatewayFixture().layerwise();
    private final FakeNode prefill = FakeDecoder.prefill();

    @AfterEach
    void close() throws InterruptedException {
        GatewayFixture.await(gateway::isIdle);
        gateway.close();
    }

    private FakeDecoder decoder(Version version) {
        return FakeDecoder.answering(gateway.http, version);
    }

    private HttpReply postToMetaserver(String body) {
        return gateway.http.send(
                HttpCall.postJson(gateway.address(), "/v1/metaserver", body.getBytes(StandardCharsets.UTF_8)),
                GatewayFixture.DEADLINE);
    }

    @ParameterizedTest
    @EnumSource(Version.class)
    void shouldCallPrefillWithWhatDecodeHasPosted(Version version) throws Exception {
        FakeDecoder decoder = decoder(version);
        FakeNode decode = new FakeNode(decoder);
        gateway.withPrefill(prefill).withDecode(decode).start();
        String body =
                "{\"model\":\"m\",\"prompt\":\"hé\",\"max_tokens\":9,\"seed\":18446744073709551616,\"stream\":false}";
        HttpReply reply = gateway.http.send(
                gateway.completion(body).withHeader("X-Request-Id", "mine-1").withHeader("Authorization", "Bearer k"),
                GatewayFixture.DEADLINE);

        Request toDecode = decode.take();
        Request toPrefill = prefill.take();
        String hopId = toDecode.headers().get("x-request-id");
        assertThat(hopId).startsWith("mine-1.").hasSizeGreaterThan("mine-1.".length() + 20);
        assertThat(toDecode.body())
                .isEqualTo(body.substring(0, body.length() - 1)
                        + ",\"kv_transfer_params\":{\"do_remote_decode\":false,\"do_remote_prefill\":true,\"metaserver\":\"http://"
                        + gateway.address() + "/v1/metaserver\"}}");
        assertThat(toPrefill.path()).isEqualTo("/v1/completions");
        assertThat(toPrefill.headers()).containsEntry("x-request-id", hopId).containsEntry("authorization", "Bearer k");
        assertThat(toPrefill.body())
                .isEqualTo("{\"model\":\"m\",\"prompt\":\"hé\",\"seed\":18446744073709551616,\"stream\":false,"
                        + "\"max_tokens\":1,\"min_tokens\":1,\"kv_transfer_params\":" + decoder.posts.element() + "}");
        assertThat(decoder.replies.element().status()).isEqualTo(200);
        assertThat(decoder.replies.element().text()).isEqualTo("{\"status\":\"ok\"}");
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.text()).isEqualTo("{\"choices\":[{\"text\":\"ok\"}]}");
        assertThat(reply.header("X-Request-Id")).contains("mine-1");
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(gateway.counter("disaggregated")).isEqualTo(1);
        assertThat(gateway.counter("pushes_asked")).isEqualTo(1);
    }

    @Test
    void shouldServeChatUnderItsOwnIds() throws Exception {
        FakeDecoder decoder = decoder(Version.RC1);
        gateway.withPrefill(prefill).withDecode(new FakeNode(decoder)).start();
        byte[] body = "{\"messages\":[],\"max_completion_tokens\":7}".getBytes(StandardCharsets.UTF_8);
        HttpReply reply = gateway.http.send(
                HttpCall.postJson(gateway.address(), "/v1/chat/completions", body), GatewayFixture.DEADLINE);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        Request toPrefill = prefill.take();
        assertThat(toPrefill.path()).isEqualTo("/v1/chat/completions");
        assertThat(toPrefill.json().get("max_completion_tokens").intValue()).isEqualTo(1);
        assertThat(FakeDecoder.params(toPrefill).get("request_id").stringValue())
                .startsWith("chatcmpl-");
    }

    @Test
    void shouldRelayEventsOfDecodeAndNotOfPrefill() throws Exception {
        String events = "data: {\"a\":1}\n\ndata: [DONE]\n\n";
        FakeNode decode = new FakeNode(new FakeDecoder(
                gateway.http,
                Version.RC1,
                (request, status, peer) -> peer.startEvents().chunk(events).endChunks()));
        gateway.withPrefill(prefill).withDecode(decode).start();
        HttpReply reply =
                gateway.post("{\"prompt\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        assertThat(reply.text()).isEqualTo(events);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        ObjectNode toPrefill = prefill.take().json();
        assertThat(toPrefill.get("stream").booleanValue()).isFalse();
        assertThat(toPrefill.has("stream_options")).isFalse();
    }

    /** D has its prompt, and may have answered, before P's own answer is there. */
    @Test
    void shouldNotTakeAPrefillNodeThatAnswersLastForOneThatFailed() throws Exception {
        var isCalled = new CountDownLatch(1);
        var isAnswered = new CountDownLatch(1);
        FakeNode last = new FakeNode((request, peer) -> {
            isCalled.countDown();
            assertThat(isAnswered.await(20, TimeUnit.SECONDS)).isTrue();
            peer.json(200, "{\"choices\":[{\"text\":\"x\"}],\"kv_transfer_params\":null}");
        });
        FakeDecoder poster = decoder(Version.NEWER);
        FakeNode decode = new FakeNode((request, peer) -> {
            poster.post(request);
            assertThat(isCalled.await(20, TimeUnit.SECONDS)).isTrue();
            peer.json(200, "{\"choices\":[{\"text\":\"ok\"}]}");
        });
        gateway.withPrefill(last).withDecode(decode).start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        isAnswered.countDown();
        GatewayFixture.await(gateway::isIdle);
        assertThat(gateway.counter("pushes_failed")).isZero();
        assertThat(gateway.counter("http_memory_refusals")).isZero();
    }

    @Test
    void shouldForgetARequestThatHasEnded() {
        FakeDecoder decoder = decoder(Version.RC1);
        gateway.withPrefill(prefill).withDecode(new FakeNode(decoder)).start();
        gateway.post(ASK);
        HttpReply late = postToMetaserver(decoder.posts.element());
        assertThat(late.status()).isEqualTo(404);
        assertThat(late.text()).contains("no request in flight is known as cmpl-");
        assertThat(gateway.counter("metaserver_refusals")).isEqualTo(1);
    }

    @Test
    void shouldNotTakeThePostOfWhoCanOnlyGuessTheId() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        FakeDecoder decoder = new FakeDecoder(gateway.http, Version.RC1, (request, status, peer) -> {
            assertThat(release.await(20, TimeUnit.SECONDS)).isTrue();
            peer.json(200, "{}");
        });
        FakeNode decode = new FakeNode(decoder);
        gateway.withPrefill(prefill).withDecode(decode).start();
        ClientExchange client = gateway.http.start(gateway.completion(ASK).withHeader("X-Request-Id", "mine-1"));
        prefill.take();
        String guess = decoder.posts.element().replaceFirst("mine-1\\.[0-9a-f]+", "mine-1");
        assertThat(postToMetaserver(guess).status()).isEqualTo(404);
        release.countDown();
        assertThat(client.reply(GatewayFixture.DEADLINE).status()).isEqualTo(200);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "[]",
                "{not json",
                "{}",
                "{\"request_id\":7}",
                "{\"request_id\":\"cmpl-a-0\"}",
                "{\"request_id\":\"cmpl-a-0\",\"remote_engine_id\":\"e\",\"remote_host\":\"h\",\"remote_port\":1}"
            })
    void shouldRefuseRubbishAndNameTheField(String body) {
        gateway.withPrefill(prefill).withDecode(FakeNode.decode()).start();
        HttpReply reply = postToMetaserver(body);
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).contains("\"error\"");
        assertThat(prefill.waiting()).isZero();
    }

    @Test
    void shouldBoundWhatIsPosted() {
        gateway.withPrefill(prefill)
                .withDecode(FakeNode.decode())
                .withLimits(new GatewayLimits(1, 8 << 20, 100, GatewayFixture.LEGS, Duration.ofSeconds(1)))
                .start();
        HttpReply reply = postToMetaserver("{\"request_id\":\"" + "x".repeat(5 << 20) + "\"}");
        assertThat(reply.status()).isEqualTo(413);
        assertThat(reply.text()).contains("at most 4194304 are taken");
    }

    @Test
    void shouldServeClientsWhileItIsFloodedWithForgedPosts() {
        gateway.withPrefill(prefill)
                .withDecode(new FakeNode(decoder(Version.RC1)))
                .start();
        String forged =
                "{\"request_id\":\"cmpl-a-0\",\"remote_engine_id\":\"e\",\"remote_host\":\"h\",\"remote_port\":1,"
                        + "\"remote_block_ids\":[1]}";
        ClientExchange[] flood = new ClientExchange[300];
        for (int i = 0; i < flood.length; i++) {
            flood[i] = gateway.http.start(
                    HttpCall.postJson(gateway.address(), "/v1/metaserver", forged.getBytes(StandardCharsets.UTF_8)));
        }
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
        for (ClientExchange post : flood) {
            assertThat(post.reply(GatewayFixture.DEADLINE).status()).isIn(404, 503);
        }
    }

    @Test
    void shouldTakePostsOfDecodeNodesAlsoWhenTheHouseIsFullOfClients() {
        gateway.withPrefill(prefill)
                .withDecode(new FakeNode(decoder(Version.NEWER)))
                .withLimits(new GatewayLimits(1, 1 << 20, 1, GatewayFixture.LEGS, Duration.ofSeconds(1)))
                .start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("true");
    }

    @Test
    void shouldComputeAPromptOnceHoweverOftenDecodePosts() throws Exception {
        CountDownLatch posted = new CountDownLatch(1);
        FakeNode slow = new FakeNode((request, peer) -> {
            assertThat(posted.await(20, TimeUnit.SECONDS)).isTrue();
            peer.json(200, "{}");
        });
        CountDownLatch done = new CountDownLatch(1);
        FakeDecoder decoder = decoder(Version.RC1);
        FakeNode decode = new FakeNode((request, peer) -> {
            ClientExchange first = decoder.post(request);
            slow.take();
            ClientExchange again = decoder.post(request);
            HttpReply others = decoder.post(request, decoder.body(request, 99)).reply(GatewayFixture.DEADLINE);
            posted.countDown();
            decoder.replies.add(others);
            decoder.replies.add(first.reply(GatewayFixture.DEADLINE));
            decoder.replies.add(again.reply(GatewayFixture.DEADLINE));
            decoder.replies.add(decoder.post(request).reply(GatewayFixture.DEADLINE));
            done.countDown();
            peer.json(200, "{\"choices\":[]}");
        });
        gateway.withPrefill(slow).withDecode(decode).start();
        assertThat(gateway.post(ASK).status()).isEqualTo(200);
        assertThat(done.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(decoder.replies).extracting(HttpReply::status).containsExactly(409, 200, 200, 200);
        assertThat(slow.waiting()).isZero();
    }

    @Test
    void shouldCountADecodeAnswerThatComesBeforePrefills() throws Exception {
        CountDownLatch answered = new CountDownLatch(1);
        CountDownLatch left = new CountDownLatch(1);
        FakeNode late = new FakeNode((request, peer) -> {
            assertThat(answered.await(20, TimeUnit.SECONDS)).isTrue();
            peer.json(200, "{}");
            left.countDown();
        });
        FakeDecoder decoder = decoder(Version.RC1);
        FakeNode decode = new FakeNode((request, peer) -> {
            decoder.post(request);
            late.take();
            peer.json(200, "{\"choices\":[]}");
        });
        gateway.withPrefill(late).withDecode(decode).start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        answered.countDown();
        assertThat(left.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void shouldSaySoWhereDecodeAnswersWithoutAsking() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=not-asked");
        assertThat(gateway.notDisaggregated("not-asked")).isEqualTo(1);
        assertThat(decode.take().json().has("kv_transfer_params")).isTrue();
    }

    @Test
    void shouldBelieveADecodeNodeOfOursThatItNeedsNothing() {
        FakeNode decode = FakeNode.decode();
        decode.identity = "{\"role\":\"decode\",\"handoff\":\"layerwise\",\"engine_id\":\"1\"}";
        gateway.withPrefill(prefill).withDecode(decode).refusingLocalPrefill().start();
        HttpReply reply = gateway.post(ASK);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=nothing-to-hand-off");
    }

    @Test
    void shouldRefuseAnAnswerThatWasNotAskedForWhereThePolicySaysSo() {
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("\"stream\":true")) {
                peer.startEvents()
                        .chunk("data: 1\n\n")
                        .chunk("data: [DONE]\n\n")
                        .endChunks();
            } else {
                peer.json(200, "{\"choices\":[]}");
            }
        });
        gateway.withPrefill(prefill).withDecode(decode).refusingLocalPrefill().start();
        for (String body : new String[] {ASK, "{\"prompt\":\"x\",\"stream\":true}"}) {
            HttpReply reply = gateway.post(body);
            assertThat(reply.status()).isEqualTo(502);
            assertThat(reply.text()).contains("not-asked");
        }
    }

    @Test
    void shouldLetDecodeComputeAloneWithoutPrefillNodes() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefillPort(GatewayFixture.closedPort()).withDecode(decode).start();
        assertThat(gateway.post(ASK).header("x-tandem-disaggregated")).contains("false; reason=no-prefill-node");
        assertThat(decode.take().json().has("kv_transfer_params")).isFalse();
    }
}
