package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.Server;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Two prefill nodes that push into one decode node, behind {@code tandem proxy --layerwise}, each in a process of its own. */
class LayerwiseTest {
    private static final Golden GOLDEN = Golden.folder("qwen3");
    private static final Duration SOON = Duration.ofSeconds(60);
    /** Long enough to be met in mid-push. */
    private static final List<Integer> LONG = Collections.nCopies(6_000, 42);

    private static final List<WarmNode> PREFILL = new ArrayList<>();
    private static WarmNode decode;
    private static TandemProcess gateway;

    @BeforeAll
    static void start() {
        PREFILL.add(prefill(Loopback.next(), 0));
        PREFILL.add(prefill(Loopback.next(), 1));
        decode = decode(Loopback.next());
        gateway = Deployment.startGateway(
                PREFILL.stream().map(node -> node.http().host()).toList(),
                List.of(decode.http().host()),
                "--layerwise");
        Stream.concat(PREFILL.stream(), Stream.of(decode)).forEach(WarmNode::awaitReady);
        gateway.awaitReady();
        Deployment.awaitHealthy(gateway.http(), 2, 1);
    }

    /** Whoever was killed comes back where it was, before the next case begins. */
    @AfterEach
    void startAgain() {
        for (int i = 0; i < PREFILL.size(); i++) {
            if (!PREFILL.get(i).isAlive()) {
                PREFILL.set(i, prefill(PREFILL.get(i).http().host(), i).awaitReady());
            }
        }
        if (!decode.isAlive()) {
            decode = decode(decode.http().host()).awaitReady();
        }
        Deployment.awaitHealthy(gateway.http(), 2, 1);
    }

    @AfterAll
    static void stop() {
        gateway.close();
        decode.close();
        PREFILL.forEach(WarmNode::close);
    }

    private static WarmNode prefill(String host, int index) {
        return node(host, "kv_producer", Integer.toString(index));
    }

    private static WarmNode decode(String host) {
        return node(host, "kv_consumer", "2");
    }

    private static WarmNode node(String host, String role, String engineId) {
        return WarmNode.start(
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
                        Deployment.transfer("MooncakeLayerwiseConnector", role, engineId)),
                Map.of());
    }

    private static CompletableFuture<Reply> ask(String body) {
        return Client.postAsync(gateway.uri("/v1/completions"), body);
    }

    private static Reply complete(Prompt prompt) {
        return ask(Client.greedy(prompt.ids(), prompt.generated().size()).toString())
                .join();
    }

    private static double running(Server node) {
        return Client.metric(node, "vllm:num_requests_running");
    }

    private static void awaitIdle() {
        for (WarmNode node : Stream.concat(PREFILL.stream(), Stream.of(decode)).toList()) {
            if (node.isAlive()) {
                Await.until(SOON, () -> running(node) == 0, () -> node.http() + " goes on for nobody");
                Await.until(
                        SOON,
                        () -> Client.metric(node, "vllm:kv_cache_usage_perc") == 0,
                        () -> node.http() + " holds blocks");
            }
        }
    }

    private static WarmNode busyPrefill() {
        Await.until(SOON, () -> PREFILL.stream().anyMatch(node -> running(node) > 0), () -> "no P began");
        return PREFILL.stream().filter(node -> running(node) > 0).findFirst().orElseThrow();
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
        JsonNode direct = Client.postText(PREFILL.getFirst().uri("/v1/completions"), several)
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
