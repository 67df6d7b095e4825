package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpReply;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.node.ObjectNode;

/** Requests that go well, and those that do not fit. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GatewayTest {
    private static final GatewayLimits LONG_BODIES =
            new GatewayLimits(1, 8 << 20, 100, GatewayFixture.LEGS, Duration.ofSeconds(1));

    private final FakeNode prefill = FakeNode.prefill();
    private final GatewayFixture gateway = new GatewayFixture();

    @AfterEach
    void close() {
        gateway.close();
    }

    @Test
    void shouldCallPrefillForOneTokenAndGiveItsTicketUnopenedToDecode() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).start();
        String body = "{\"model\":\"m\", \"prompt\":\"hé\",\"max_tokens\":9,\"seed\":18446744073709551616,"
                + "\"x-unknown\":{\"a\":[1.50,null]}}";
        HttpReply reply = gateway.http.send(
                gateway.completion(body)
                        .withHeader("X-Request-Id", "mine-1")
                        .withHeader("Authorization", "Bearer k")
                        .withHeader("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
                GatewayFixture.DEADLINE);

        FakeNode.Request hop1 = prefill.take();
        FakeNode.Request hop2 = decode.take();
        assertThat(hop1.path()).isEqualTo("/v1/completions");
        assertThat(hop1.json().get("max_tokens").intValue()).isEqualTo(1);
        assertThat(hop1.json().get("kv_transfer_params").get("do_remote_decode").booleanValue())
                .isTrue();
        assertThat(hop1.body()).contains("\"seed\":18446744073709551616", "\"x-unknown\":{\"a\":[1.50,null]}");
        assertThat(hop2.body())
                .isEqualTo(body.substring(0, body.length() - 1).replace(", \"prompt", ",\"prompt")
                        + ",\"kv_transfer_params\":" + FakeNode.TICKET + "}");
        for (FakeNode.Request hop : new FakeNode.Request[] {hop1, hop2}) {
            assertThat(hop.headers())
                    .containsEntry("x-request-id", "mine-1")
                    .containsEntry("authorization", "Bearer k")
                    .containsEntry("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        }
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.text()).isEqualTo("{\"choices\":[{\"text\":\"ok\"}]}");
        assertThat(reply.header("X-Request-Id")).contains("mine-1");
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(gateway.counter("disaggregated")).isEqualTo(1);
        assertThat(prefill.waitingCancels()).isZero();
        assertThat(gateway.isIdle()).isTrue();
    }

    @Test
    void shouldServeABodyThatIsTooLongForTheLoopToRead() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).withLimits(LONG_BODIES).start();
        String prompt = "long ".repeat(500_000);
        HttpReply reply = gateway.http.send(
                gateway.completion("{\"prompt\":\"" + prompt + "\",\"max_tokens\":2}"), GatewayFixture.DEADLINE);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(prefill.take().json().get("prompt").stringValue()).isEqualTo(prompt);
        assertThat(decode.take().json().get("prompt").stringValue()).isEqualTo(prompt);
    }

    @Test
    void shouldRefuseALongBodyThatIsNotJson() {
        gateway.withPrefill(prefill)
                .withDecode(FakeNode.decode())
                .withLimits(LONG_BODIES)
                .start();
        HttpReply reply = gateway.http.send(
                gateway.completion("{\"prompt\":\"" + "long ".repeat(500_000)), GatewayFixture.DEADLINE);
        assertThat(reply.status()).isEqualTo(400);
        assertThat(reply.text()).contains("the request body is not valid JSON");
    }

    @Test
    void shouldServeChatUnderItsOwnPath() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).start();
        byte[] body = "{\"messages\":[],\"max_completion_tokens\":7}".getBytes(java.nio.charset.StandardCharsets.UTF_8);
        gateway.http.send(HttpCall.postJson(gateway.address(), "/v1/chat/completions", body), GatewayFixture.DEADLINE);
        FakeNode.Request hop1 = prefill.take();
        assertThat(hop1.path()).isEqualTo("/v1/chat/completions");
        assertThat(hop1.json().get("max_completion_tokens").intValue()).isEqualTo(1);
        assertThat(decode.take().json().get("max_completion_tokens").intValue()).isEqualTo(7);
    }

    @Test
    void shouldRelayEventsAsBytesAndAtOnce() throws Exception {
        CountDownLatch firstSeen = new CountDownLatch(1);
        String first = ": ping\r\n\r\ndata: {\"a\" : 1}\n\n";
        String rest = "event: x\ndata:  {\"b\":\ndata: 2}\n\ndata: [DONE]\n\n";
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.startEvents().chunk(first);
            assertThat(firstSeen.await(20, TimeUnit.SECONDS)).isTrue(); // the client has it before there is more
            for (char c : rest.toCharArray()) {
                peer.chunk(Character.toString(c));
            }
            peer.endChunks();
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        ClientExchange client =
                gateway.open("{\"prompt\":\"x\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        assertThat(client.head().status()).isEqualTo(200);
        assertThat(client.head().header("Content-Type")).contains("text/event-stream; charset=utf-8");
        assertThat(client.head().header("x-tandem-disaggregated")).contains("true");
        String seen = GatewayFixture.readUntil(client, "\"a\" : 1}\n\n");
        firstSeen.countDown();
        seen += GatewayFixture.readUntil(client, "[DONE]\n\n");
        assertThat(seen).isEqualTo(first + rest);
        assertThat(client.next()).isEmpty();
        ObjectNode hop1 = prefill.take().json();
        assertThat(hop1.get("stream").booleanValue()).isFalse();
        assertThat(hop1.has("stream_options")).isFalse();
        assertThat(decode.take().json().has("stream_options")).isTrue();
        assertThat(gateway.isIdle()).isTrue();
    }

    @Test
    void shouldNotCountAsDisaggregatedWhatDecodeHasComputedAgain() {
        FakeNode decode = new FakeNode((request, peer) -> {
            if (request.body().contains("stream")) {
                peer.startEvents().chunk("data: [DONE]\n\n").send("0\r\nx-tandem-recomputed: PEER_GONE: gone\r\n\r\n");
            } else {
                peer.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
                        + "x-tandem-recomputed: PEER_GONE: gone\r\n\r\n{}");
            }
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        assertThat(gateway.post("{\"prompt\":\"x\"}").header("x-tandem-disaggregated"))
                .contains("false; reason=recomputed");
        assertThat(gateway.notDisaggregated("recomputed")).isEqualTo(1);
        String answer = raw("{\"prompt\":\"x\",\"stream\":true}");
        assertThat(answer).endsWith("0\r\nx-tandem-disaggregated: false; reason=recomputed\r\n\r\n");
        assertThat(gateway.notDisaggregated("recomputed")).isEqualTo(2);
        assertThat(gateway.counter("disaggregated")).isZero();
    }

    /** Where a decode node of ours would say that it has computed the prompt, nothing came. */
    @Test
    void shouldNotCountAsDisaggregatedWhatNobodyConfirms() {
        FakeNode decode = new FakeNode((request, peer) -> {
            peer.startEvents().chunk("data: [DONE]\n\n");
            peer.close();
        });
        prefill.identity = "{\"role\":\"prefill\",\"handoff\":\"pull\",\"engine_id\":\"0\"}";
        decode.identity = "{\"role\":\"decode\",\"handoff\":\"pull\",\"engine_id\":\"1\"}";
        gateway.withPrefill(prefill).withDecode(decode).start();
        String answer = raw("{\"prompt\":\"x\",\"stream\":true}");
        assertThat(answer)
                .contains("[DONE]")
                .endsWith("0\r\nx-tandem-disaggregated: false; reason=unconfirmed\r\n\r\n");
        assertThat(gateway.notDisaggregated("unconfirmed")).isEqualTo(1);
        assertThat(gateway.counter("disaggregated")).isZero();
    }

    /** An answer with all that is around its body. */
    private String raw(String body) {
        try (var socket = new Socket(gateway.address().host(), gateway.address().port())) {
            String request =
                    "POST /v1/completions HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\n"
                            + "Content-Length: " + body.length() + "\r\n\r\n" + body;
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void shouldDropHandoffParametersOfClients() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).start();
        gateway.post("{\"prompt\":\"a\",\"best_of\":5,\"kv_transfer_params\":{\"remote_host\":\"evil\"}}");
        assertThat(decode.take().json().has("kv_transfer_params")).isFalse();
        gateway.post("{\"prompt\":\"a\",\"kv_transfer_params\":{\"remote_host\":\"evil\"}}");
        assertThat(prefill.take().body()).doesNotContain("evil");
        assertThat(decode.take().body()).doesNotContain("evil");
    }

    @Test
    void shouldPassHandoffParametersOfClientsOnWhereAllowed() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).allowingClientKvParams().start();
        HttpReply reply = gateway.post("{\"prompt\":\"a\",\"kv_transfer_params\":{\"remote_host\":\"mine\"}}");
        assertThat(decode.take().body()).contains("\"kv_transfer_params\":{\"remote_host\":\"mine\"}");
        assertThat(reply.header("x-tandem-disaggregated")).contains("false; reason=client-kv-params");
        assertThat(prefill.waiting()).isZero();
    }

    @Test
    void shouldSaySoWhereARequestDoesNotFitDisaggregation() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).refusingLocalPrefill().start();
        HttpReply several = gateway.post("{\"prompt\":\"a\",\"n\":2,\"best_of\":5}");
        assertThat(several.status()).isEqualTo(200);
        assertThat(several.header("x-tandem-disaggregated")).contains("false; reason=several-choices");
        HttpReply list = gateway.post("{\"prompt\":[\"a\",\"b\"],\"best_of\":5}");
        assertThat(list.header("x-tandem-disaggregated")).contains("false; reason=list-prompt");
        HttpReply echo = gateway.post("{\"prompt\":\"a\",\"echo\":true,\"logprobs\":1}");
        assertThat(echo.header("x-tandem-disaggregated")).contains("false; reason=prompt-logprobs");
        assertThat(prefill.waiting()).isZero();
        assertThat(gateway.notDisaggregated("list-prompt")).isEqualTo(1);
        assertThat(gateway.notDisaggregated("several-choices")).isEqualTo(1);
        assertThat(gateway.counter("disaggregated")).isZero();
    }

    @Test
    void shouldReplaceAnIdThatIsNotSafe() throws Exception {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).start();
        for (String bad : new String[] {"a b", "x\"y", "a".repeat(129)}) {
            HttpReply reply = gateway.http.send(
                    gateway.completion("{\"prompt\":\"x\"}").withHeader("X-Request-Id", bad), GatewayFixture.DEADLINE);
            String id = reply.header("X-Request-Id").orElseThrow();
            assertThat(id).isNotEqualTo(bad).hasSize(36);
            assertThat(prefill.take().headers()).containsEntry("x-request-id", id);
            assertThat(decode.take().headers()).containsEntry("x-request-id", id);
        }
    }

    @Test
    void shouldNotGiveOneIdToTwoRequestsInFlight() throws Exception {
        CountDownLatch release = new CountDownLatch(1);
        FakeNode decode = new FakeNode((request, peer) -> {
            assertThat(release.await(20, TimeUnit.SECONDS)).isTrue();
            peer.json(200, "{}");
        });
        gateway.withPrefill(prefill).withDecode(decode).start();
        HttpCall call = gateway.completion("{\"prompt\":\"x\"}").withHeader("X-Request-Id", "same");
        ClientExchange first = gateway.http.start(call);
        assertThat(decode.take().headers()).containsEntry("x-request-id", "same");
        ClientExchange second = gateway.http.start(call);
        assertThat(decode.take().headers().get("x-request-id")).hasSize(36);
        release.countDown();
        assertThat(first.reply(GatewayFixture.DEADLINE).header("X-Request-Id")).contains("same");
        assertThat(second.reply(GatewayFixture.DEADLINE).header("X-Request-Id").orElseThrow())
                .hasSize(36);
        gateway.http.send(call, GatewayFixture.DEADLINE);
        assertThat(decode.take().headers()).containsEntry("x-request-id", "same");
    }

    @Test
    void shouldRefuseWhatIsNoJsonObject() {
        gateway.withPrefill(prefill).withDecode(FakeNode.decode()).start();
        for (String bad :
                new String[] {"{not json", "[]", "", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "{\"a\":\"\u0001\"}"}) {
            HttpReply reply = gateway.post(bad);
            assertThat(reply.status()).as(bad).isEqualTo(400);
            assertThat(reply.text()).as(bad).contains("\"type\":\"BadRequestError\"", "\"code\":400");
        }
        assertThat(prefill.waiting()).isZero();
        assertThat(gateway.isIdle()).isTrue();
    }

    @Test
    void shouldRefuseABodyInAnotherEncodingAsNodesDo() {
        gateway.withPrefill(prefill).withDecode(FakeNode.decode()).start();
        for (Charset charset : List.of(StandardCharsets.UTF_16, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE)) {
            byte[] body = "{\"prompt\":\"é\"}".getBytes(charset);
            HttpReply reply = gateway.http.send(
                    HttpCall.postJson(gateway.address(), "/v1/completions", body), GatewayFixture.DEADLINE);
            assertThat(reply.status()).isEqualTo(400);
            assertThat(reply.text()).contains("invalid UTF-8", "\"type\":\"BadRequestError\"");
        }
    }

    @Test
    void shouldTellNodesWhomItAsksForAndBelieveNobodyElse() throws InterruptedException {
        FakeNode decode = FakeNode.decode();
        gateway.withPrefill(prefill).withDecode(decode).start();
        HttpCall call = gateway.completion("{\"prompt\":\"a\"}")
                .withHeader("X-Tandem-Client", "somebody")
                .withHeader("X-Forwarded-For", "10.1.2.3");
        gateway.http.send(call, GatewayFixture.DEADLINE);
        assertThat(prefill.take().headers()).containsEntry("x-tandem-client", "127.0.0.1");
        assertThat(decode.take().headers()).containsEntry("x-tandem-client", "127.0.0.1");
    }

    @Test
    void shouldTellItsStatus() {
        FakeNode decode = FakeNode.decode();
        int closed = GatewayFixture.closedPort();
        gateway.withPrefill(prefill).withDecode(decode).withDecodePort(closed).start();
        assertThat(gateway.get("/health").status()).isEqualTo(200);
        assertThat(gateway.get("/healthcheck").text())
                .startsWith("{\"status\":\"ok\",\"prefill_instances\":1,\"decode_instances\":2,"
                        + "\"prefill_healthy\":1,\"decode_healthy\":1,\"left_out\":[{\"role\":\"decode\",\"node\":\"127.0.0.1:"
                        + closed + "\",\"state\":\"down\",\"cause\":\"cannot connect to 127.0.0.1:" + closed
                        + ": Connection refused\",\"seconds\":")
                .endsWith("\"nodes\":[{\"role\":\"prefill\",\"node\":\"" + prefill.address() + "\",\"state\":\"up\"},"
                        + "{\"role\":\"decode\",\"node\":\"" + decode.address() + "\",\"state\":\"up\"},"
                        + "{\"role\":\"decode\",\"node\":\"127.0.0.1:" + closed + "\",\"state\":\"down\"}]}");
        assertThat(gateway.get("/version").text()).contains("\"version\"");
        assertThat(gateway.get("/metrics").header("Content-Type")).contains("text/plain; version=0.0.4; charset=utf-8");
        assertThat(gateway.metric("tandem_gateway_node_up{node=\"" + prefill.address() + "\",role=\"prefill\"}"))
                .isEqualTo(1);
        assertThat(gateway.get("/nowhere").status()).isEqualTo(404);
        assertThat(gateway.get("/v1/completions").status()).isEqualTo(405);
    }

    @Test
    void shouldTellTheModelsOfItsNodes() {
        FakeNode speaking =
                new FakeNode((request, peer) -> peer.json(200, "{\"object\":\"list\",\"data\":[{\"id\":\"m\"}]}"));
        FakeNode broken = new FakeNode((request, peer) -> peer.json(500, "{}"));
        prefill.close();
        gateway.withPrefill(broken).withDecode(speaking).start();
        assertThat(gateway.get("/v1/models").text()).contains("\"id\":\"m\"");
    }

    @Test
    void shouldRefuseMoreRequestsThanConfigured() throws Exception {
        CompletableFuture<Void> release = new CompletableFuture<>();
        FakeNode decode = new FakeNode((request, peer) -> {
            release.get(20, TimeUnit.SECONDS);
            peer.json(200, "{}");
        });
        gateway.withPrefill(prefill)
                .withDecode(decode)
                .withLimits(new GatewayLimits(1, 1 << 20, 1, GatewayFixture.LEGS, Duration.ofSeconds(1)))
                .start();
        ClientExchange first = gateway.open("{\"prompt\":\"x\"}");
        decode.take();
        HttpReply second = gateway.post("{\"prompt\":\"x\"}");
        assertThat(second.status()).isEqualTo(503);
        assertThat(second.header("Retry-After")).contains("1");
        assertThat(gateway.get("/health").status()).isEqualTo(200);
        release.complete(null);
        assertThat(first.reply(GatewayFixture.DEADLINE).status()).isEqualTo(200);
    }
}
