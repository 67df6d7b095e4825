package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.TandemProcess;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Two prefill nodes that push into one decode node, behind {@code tandem proxy --layerwise}, as real processes. */
class LayerwiseTest {
    private static final Golden GOLDEN = Golden.folder("qwen3");
    private static final Duration SOON = Duration.ofSeconds(20);
    /** Long enough to be met in mid-push. */
    private static final List<Integer> LONG = Collections.nCopies(6_000, 42);

    private final List<TandemProcess> prefill = new ArrayList<>();
    private TandemProcess decode;
    private TandemProcess gateway;

    @BeforeEach
    void start() {
        prefill.add(node("127.0.0.2", "kv_producer", "0"));
        prefill.add(node("127.0.0.4", "kv_producer", "1"));
        decode = node("127.0.0.3", "kv_consumer", "2");
        gateway = TandemProcess.start(
                "gateway",
                "127.0.0.1",
                List.of(
                        "proxy",
                        "--layerwise",
                        "--prefiller-hosts",
                        "127.0.0.2",
                        "127.0.0.4",
                        "--prefiller-ports",
                        port(prefill.get(0)),
                        port(prefill.get(1)),
                        "--decoder-hosts",
                        "127.0.0.3",
                        "--decoder-ports",
                        port(decode)));
        Stream.concat(prefill.stream(), Stream.of(decode, gateway)).forEach(TandemProcess::awaitReady);
    }

    @AfterEach
    void stop() {
        gateway.close();
        decode.close();
        prefill.forEach(TandemProcess::close);
    }

    private static String port(TandemProcess process) {
        return Integer.toString(process.http().port());
    }

    private static TandemProcess node(String host, String role, String engineId) {
        return TandemProcess.start(
                role,
                host,
                List.of(
                        "serve",
                        GOLDEN.checkpoint().toString(),
                        "--served-model-name",
                        Deployment.MODEL,
                        "--dtype",
                        "float32",
                        "--max-model-len",
                        "16384",
                        "--max-num-batched-tokens",
                        "64",
                        "--max-num-seqs",
                        "16",
                        "--no-enable-prefix-caching",
                        "--kv-transfer-config",
                        "{\"kv_connector\":\"MooncakeLayerwiseConnector\",\"kv_role\":\"" + role + "\",\"kv_port\":\""
                                + TandemProcess.freePort(host) + "\",\"engine_id\":\"" + engineId + "\"}"));
    }

    private CompletableFuture<Reply> ask(String body) {
        return Client.postAsync(gateway.uri("/v1/completions"), body);
    }

    private Reply complete(Prompt prompt) {
        return ask(Client.greedy(prompt.ids(), prompt.generated().size()).toString())
                .join();
    }

    private static double running(TandemProcess node) {
        return Client.metric(node, "vllm:num_requests_running");
    }

    private void awaitIdle() {
        for (TandemProcess node :
                Stream.concat(prefill.stream(), Stream.of(decode)).toList()) {
            if (node.isAlive()) {
                Await.until(SOON, () -> running(node) == 0, () -> node.http() + " goes on for nobody");
                Await.until(
                        SOON,
                        () -> Client.metric(node, "vllm:kv_cache_usage_perc") == 0,
                        () -> node.http() + " holds blocks");
            }
        }
    }

    private TandemProcess busyPrefill() {
        Await.until(SOON, () -> prefill.stream().anyMatch(node -> running(node) > 0), () -> "no P began");
        return prefill.stream().filter(node -> running(node) > 0).findFirst().orElseThrow();
    }

    @Test
    void shouldGiveTheGoldenTokensAndThoseOfOneNodeForSeveralSequences() {
        for (Prompt prompt : GOLDEN.prompts()) {
            Reply reply = complete(prompt);
            assertThat(reply.tokenIds()).as(prompt.id()).isEqualTo(prompt.generated());
            assertThat(reply.header("x-tandem-disaggregated"))
                    .as(prompt.id())
                    .isEqualTo(prompt.ids().size() > 1 ? "true" : "false; reason=nothing-to-hand-off");
        }
        String several = "{\"model\":\"m\",\"prompt\":[[5,6,7,8],[9,10,11]],\"n\":2,\"seed\":3,\"max_tokens\":6,"
                + "\"temperature\":1.0,\"ignore_eos\":true,\"return_token_ids\":true}";
        Reply merged = ask(several).join();
        assertThat(merged.header("x-tandem-disaggregated")).isEqualTo("true");
        JsonNode direct = Client.postText(prefill.getFirst().uri("/v1/completions"), several)
                .body();
        assertThat(merged.body().path("choices")).isEqualTo(direct.path("choices"));
        awaitIdle();
    }

    @Test
    void shouldAnswerRightlyWhenAPrefillNodeIsKilledInMidPush() {
        CompletableFuture<Reply> asked = ask(Client.greedy(LONG, 4).toString());
        busyPrefill().kill();
        Reply reply = asked.join();
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).isIn("true", "false; reason=prefill-failed");
        Reply direct = Client.post(decode.uri("/v1/completions"), Client.greedy(LONG, 4));
        assertThat(reply.tokenIds()).isEqualTo(direct.tokenIds());
        for (Prompt prompt : GOLDEN.prompts().subList(0, 4)) {
            assertThat(complete(prompt).tokenIds()).isEqualTo(prompt.generated());
        }
        awaitIdle();
    }

    @Test
    void shouldReleaseEverythingWhenTheClientGoesInMidPush() throws Exception {
        byte[] body = Client.greedy(LONG, 4).toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
        try (var socket =
                new java.net.Socket(gateway.http().host(), gateway.http().port())) {
            String head =
                    "POST /v1/completions HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: "
                            + body.length + "\r\n\r\n";
            socket.getOutputStream().write(head.getBytes(java.nio.charset.StandardCharsets.US_ASCII));
            socket.getOutputStream().write(body);
            socket.getOutputStream().flush();
            busyPrefill();
        }
        awaitIdle();
        assertThat(complete(GOLDEN.prompts().getFirst()).status()).isEqualTo(200);
    }

    @Test
    void shouldEndWithAnErrorWhenTheDecodeNodeIsKilledInMidPush() {
        CompletableFuture<Reply> asked = ask(Client.greedy(LONG, 4).toString());
        busyPrefill();
        decode.kill();
        Reply reply = asked.join();
        assertThat(Set.of(502, 503)).contains(reply.status());
        assertThat(reply.body().has("error")).isTrue();
        awaitIdle();
    }
}
