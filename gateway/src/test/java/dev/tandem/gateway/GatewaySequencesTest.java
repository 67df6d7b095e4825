package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.StrictJson;
import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.FakeDecoder.Version;
import dev.tandem.gateway.FakeNode.Request;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** Requests for several sequences, in both orders: each sequence has an exchange of its own. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewaySequencesTest {
    private final GatewayFixture gateway = new GatewayFixture();

    @AfterEach
    void close() throws InterruptedException {
        GatewayFixture.await(gateway::isIdle);
        gateway.close();
    }

    /** Answers with the prompt (or the seed of a chat) as text, and usage that tells sequences apart. */
    private static void echo(Request request, FakeNode.Peer peer) throws Exception {
        ObjectNode body = request.json();
        boolean isChat = request.path().contains("chat");
        String text = isChat
                ? body.path("seed").asString("none")
                : body.path("prompt").toString().replace("\"", "");
        String id = (isChat ? "chatcmpl-" : "cmpl-") + request.headers().get("x-request-id");
        String usage = "{\"prompt_tokens\":10,\"total_tokens\":13,\"completion_tokens\":3,"
                + "\"prompt_tokens_details\":{\"cached_tokens\":4}}";
        if (body.path("stream").asBoolean(false)) {
            String head = "data: {\"id\":\"" + id + "\",\"created\":5,\"choices\":[";
            peer.startEvents()
                    .chunk(head + "{\"index\":0,\"text\":\"" + text + "\"}]}\n\n")
                    .chunk(head + "{\"index\":0,\"text\":\".\",\"finish_reason\":\"stop\"}]}\n\n");
            if (body.path("stream_options").path("include_usage").asBoolean(false)) {
                peer.chunk(head + "],\"usage\":" + usage + "}\n\n");
            }
            peer.chunk("data: [DONE]\n\n").endChunks();
        } else {
            peer.json(
                    200,
                    "{\"id\":\"" + id + "\",\"created\":5,\"choices\":[{\"index\":0,\"text\":\"" + text
                            + "\"}],\"usage\":" + usage + ",\"kv_transfer_params\":null}");
        }
    }

    private FakeNode startPull() {
        FakeNode decode = new FakeNode(GatewaySequencesTest::echo);
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        return decode;
    }

    private FakeNode startPush(Version version) {
        FakeNode decode =
                new FakeNode(new FakeDecoder(gateway.http, version, (request, status, peer) -> echo(request, peer)));
        gateway.layerwise()
                .withPrefill(FakeDecoder.prefill())
                .withDecode(decode)
                .start();
        return decode;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shouldDisaggregateEveryPromptOfAList(boolean isPush) throws Exception {
        FakeNode decode = isPush ? startPush(Version.NEWER) : startPull();
        HttpReply reply = gateway.http.send(
                gateway.completion("{\"prompt\":[\"a\",\"b\",\"c\"],\"max_tokens\":3}")
                        .withHeader("X-Request-Id", "mine"),
                GatewayFixture.DEADLINE);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(reply.text())
                .isEqualTo(
                        "{\"id\":\"cmpl-mine\",\"created\":5,\"choices\":[{\"index\":0,\"text\":\"a\"},"
                                + "{\"index\":1,\"text\":\"b\"},{\"index\":2,\"text\":\"c\"}],\"usage\":{\"prompt_tokens\":30,"
                                + "\"total_tokens\":39,\"completion_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":12}}}");
        Set<String> ids = new HashSet<>();
        for (int i = 0; i < 3; i++) {
            Request request = decode.take();
            ids.add(request.headers().get("x-request-id"));
            assertThat(request.json()
                            .get("kv_transfer_params")
                            .get("do_remote_prefill")
                            .booleanValue())
                    .isTrue();
        }
        assertThat(ids).hasSize(3).allMatch(id -> id.startsWith("mine-"));
        assertThat(gateway.counter("disaggregated")).isEqualTo(3);
        assertThat(gateway.counter("requests")).isEqualTo(1);
    }

    @Test
    void shouldGiveEachChoiceItsSeedAndCountThePromptOnce() {
        startPush(Version.RC1);
        byte[] body = "{\"messages\":[],\"n\":3,\"seed\":7}".getBytes(StandardCharsets.UTF_8);
        HttpReply reply = gateway.http.send(
                HttpCall.postJson(gateway.address(), "/v1/chat/completions", body), GatewayFixture.DEADLINE);
        ObjectNode merged = StrictJson.object(reply.body());
        assertThat(merged.get("id").stringValue())
                .isEqualTo("chatcmpl-" + reply.header("X-Request-Id").orElseThrow());
        assertThat(merged.get("choices"))
                .extracting(choice -> choice.get("text").stringValue())
                .containsExactly("7", "8", "9");
        assertThat(merged.get("usage").get("prompt_tokens").intValue()).isEqualTo(10);
        assertThat(merged.get("usage").get("completion_tokens").intValue()).isEqualTo(9);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shouldMergeStreamsIntoOne(boolean isPush) {
        if (isPush) {
            startPush(Version.RC1);
        } else {
            startPull();
        }
        HttpReply reply = gateway.http.send(
                gateway.completion(
                                "{\"prompt\":[\"a\",\"b\"],\"stream\":true,\"stream_options\":{\"include_usage\":true}}")
                        .withHeader("X-Request-Id", "mine"),
                GatewayFixture.DEADLINE);
        assertThat(reply.header("Content-Type")).contains("text/event-stream; charset=utf-8");
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        List<String> events = new ArrayList<>(List.of(reply.text().split("\n\n")));
        assertThat(events.removeLast()).isEqualTo("data: [DONE]");
        assertThat(events.removeLast())
                .isEqualTo(
                        "data: {\"id\":\"cmpl-mine\",\"created\":5,\"choices\":[],\"usage\":{\"prompt_tokens\":20,"
                                + "\"total_tokens\":26,\"completion_tokens\":6,\"prompt_tokens_details\":{\"cached_tokens\":8}}}");
        assertThat(events)
                .hasSize(4)
                .allMatch(event -> event.startsWith("data: {\"id\":\"cmpl-mine\""))
                .filteredOn(event -> event.contains("\"index\":1"))
                .containsExactly(
                        "data: {\"id\":\"cmpl-mine\",\"created\":5,\"choices\":[{\"index\":1,\"text\":\"b\"}]}",
                        "data: {\"id\":\"cmpl-mine\",\"created\":5,\"choices\":[{\"index\":1,\"text\":\".\",\"finish_reason\":\"stop\"}]}");
    }

    @Test
    void shouldServeMoreSequencesThanRunAtOnce() {
        startPull();
        StringBuilder prompts = new StringBuilder("\"p0\"");
        for (int i = 1; i < 100; i++) {
            prompts.append(",\"p").append(i).append('"');
        }
        ObjectNode merged =
                StrictJson.object(gateway.post("{\"prompt\":[" + prompts + "]}").body());
        assertThat(merged.get("choices")).hasSize(100);
        assertThat(merged.get("choices").get(77).get("text").stringValue()).isEqualTo("p77");
        assertThat(merged.get("choices").get(77).get("index").intValue()).isEqualTo(77);
    }

    @Test
    void shouldSaySoWhereOneSequenceWasNotDisaggregated() {
        FakeNode prefill = new FakeNode((request, peer) -> peer.json(
                200, request.body().contains("\"b\"") ? "{}" : "{\"kv_transfer_params\":" + FakeNode.TICKET + "}"));
        gateway.withPrefill(prefill)
                .withDecode(new FakeNode(GatewaySequencesTest::echo))
                .start();
        HttpReply reply = gateway.post("{\"prompt\":[\"a\",\"b\",\"c\"]}");
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=no-ticket");
        assertThat(gateway.notDisaggregated("no-ticket")).isEqualTo(1);
        assertThat(gateway.counter("disaggregated")).isEqualTo(2);
    }

    @Test
    void shouldFailAsAWholeAndCallTheOthersOff() throws Exception {
        CountDownLatch calledOff = new CountDownLatch(1);
        CountDownLatch waiting = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("\"b\"")) {
                assertThat(waiting.await(20, TimeUnit.SECONDS)).isTrue();
                peer.json(400, "{\"error\":{\"message\":\"b is bad\"}}");
            } else {
                waiting.countDown();
                peer.awaitEnd();
                calledOff.countDown();
            }
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        HttpReply reply = gateway.post("{\"prompt\":[\"a\",\"b\"]}");
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).isEqualTo("{\"error\":{\"message\":\"b is bad\"}}");
        assertThat(calledOff.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void shouldEndAMergedStreamThatBreaksOffWithAnErrorEvent() throws Exception {
        CountDownLatch seen = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("\"b\"")) {
                assertThat(seen.await(20, TimeUnit.SECONDS)).isTrue();
                peer.startEvents().chunk("data: {\"choices\":[{\"index\":0}]}\n\ndata: {\"half");
                peer.reset();
            } else {
                echo(request, peer);
                seen.countDown();
            }
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        HttpReply reply = gateway.post("{\"prompt\":[\"a\",\"b\"],\"stream\":true}");
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.text())
                .contains("\"text\":\"a\"", "data: {\"error\":{")
                .doesNotContain("[DONE]", "half");
    }

    @ParameterizedTest
    @ValueSource(ints = {400, 429, 500})
    void shouldEndAMergedStreamWithAnErrorEventWhereANodeRefusesALaterSequence(int status) throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("\"b\"")) {
                assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
                peer.json(status, "{\"error\":{\"message\":\"b is bad\"}}");
            } else {
                echo(request, peer);
            }
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        ClientExchange client = gateway.open("{\"prompt\":[\"a\",\"b\"],\"stream\":true}");
        GatewayFixture.readUntil(client, "\"text\":\"a\"");
        begun.countDown();
        String rest = GatewayFixture.readUntil(client, "\"code\":" + status);
        assertThat(rest).contains("data: {\"error\":{").doesNotContain("[DONE]");
        assertThat(client.next()).isEmpty();
    }

    /** What is known only after the head of a stream has gone is said behind the stream. */
    @Test
    void shouldSayBehindAMergedStreamWhereALaterSequenceWasNotDisaggregated() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        FakeNode prefill = new FakeNode((request, peer) -> {
            boolean isLater = request.body().contains("\"b\"");
            if (isLater) {
                assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
            }
            peer.json(200, isLater ? "{}" : "{\"kv_transfer_params\":" + FakeNode.TICKET + "}");
        });
        gateway.withPrefill(prefill)
                .withDecode(new FakeNode(GatewaySequencesTest::echo))
                .start();
        byte[] body = "{\"prompt\":[\"a\",\"b\"],\"stream\":true}".getBytes(StandardCharsets.UTF_8);
        try (Socket socket = new Socket("127.0.0.1", gateway.address().port())) {
            socket.getOutputStream()
                    .write(("POST /v1/completions HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: "
                                    + body.length + "\r\n\r\n")
                            .getBytes(StandardCharsets.UTF_8));
            socket.getOutputStream().write(body);
            StringBuilder reply = new StringBuilder();
            for (int next = socket.getInputStream().read();
                    next >= 0;
                    next = socket.getInputStream().read()) {
                reply.append((char) next);
                if (begun.getCount() > 0 && reply.indexOf("\"text\":\"a\"") >= 0) {
                    begun.countDown();
                }
            }
            assertThat(reply.toString().toLowerCase(Locale.ROOT))
                    .contains("x-tandem-disaggregated: true", "[done]")
                    .endsWith("0\r\nx-tandem-disaggregated: false; reason=no-ticket\r\n\r\n");
        }
    }

    @Test
    void shouldReleaseEverySequenceOfAClientThatLeaves() throws Exception {
        CountDownLatch begun = new CountDownLatch(3);
        CountDownLatch ended = new CountDownLatch(3);
        FakeNode decode = new FakeNode((request, peer) -> {
            begun.countDown();
            peer.awaitEnd();
            ended.countDown();
        });
        gateway.withPrefill(FakeNode.prefill()).withDecode(decode).start();
        ClientExchange client = gateway.open("{\"prompt\":[\"a\",\"b\",\"c\"]}");
        assertThat(begun.await(20, TimeUnit.SECONDS)).isTrue();
        client.cancel();
        assertThat(ended.await(20, TimeUnit.SECONDS)).isTrue();
        GatewayFixture.await(() -> gateway.counter("clients_gone") == 1);
    }
}
