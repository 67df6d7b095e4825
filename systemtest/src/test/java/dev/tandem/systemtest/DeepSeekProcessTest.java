package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.systemtest.process.Await;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.Golden.Prompt;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * DeepSeek-V3.2 in float32 over a prefill node of two ranks with whole experts and a decode node of four ranks, behind a gateway, each in a
 * process of its own: latents, rotary keys and index keys go from two copies into four, and the tokens are those of transformers.
 */
class DeepSeekProcessTest {
    private static final Golden GOLDEN = Golden.folder("deepseek-v3.2");
    private static final Duration SOON = Duration.ofSeconds(60);

    /** Bytes per second: the longest prompt's caches are on their way for a minute. */
    private static final String SLOW = "24000";

    private enum Order {
        PULL("MooncakeConnector"),
        LAYERWISE("MooncakeLayerwiseConnector");

        private final String connector;

        Order(String connector) {
            this.connector = connector;
        }
    }

    private final String prefillHost = Loopback.next();
    private final String decodeHost = Loopback.next();
    private final List<WarmNode> nodes = new ArrayList<>();
    private @Nullable TandemProcess gateway;

    @AfterEach
    void stop() {
        if (gateway != null) {
            gateway.close();
        }
        nodes.reversed().forEach(WarmNode::close);
    }

    @ParameterizedTest
    @EnumSource
    void shouldGiveTheGoldenTokens(Order order) {
        WarmNode prefill = prefill(order, Map.of());
        WarmNode decode = decode(order);
        startGateway(order);
        var replies = new ArrayList<CompletableFuture<Reply>>();
        for (Prompt prompt : GOLDEN.prompts()) {
            replies.add(ask(gateway, prompt));
        }
        for (int i = 0; i < replies.size(); i++) {
            Prompt prompt = GOLDEN.prompts().get(i);
            Reply reply = replies.get(i).join();
            assertThat(reply.status()).as("%s: %s", prompt.id(), reply.body()).isEqualTo(200);
            assertThat(reply.tokenIds()).as(prompt.id()).isEqualTo(prompt.generated());
            if (prompt.ids().size() > 1) { // of one token there is nothing to hand over
                assertThat(reply.header("x-tandem-disaggregated"))
                        .as(prompt.id())
                        .isEqualTo("true");
            }
        }
        awaitAllFree(prefill);
        awaitAllFree(decode);
    }

    @ParameterizedTest
    @EnumSource
    void shouldGiveTheGoldenTokensWhenThePrefillNodeIsKilledInTheMiddleOfTheTransfer(Order order) {
        WarmNode prefill = prefill(order, Map.of("TANDEM_TRANSFER_PACE", SLOW));
        WarmNode decode = decode(order);
        startGateway(order);
        Prompt prompt = GOLDEN.prompts().getLast();
        CompletableFuture<Reply> reply = ask(gateway, prompt);
        Await.until(
                SOON,
                () -> Client.metric(prefill, "tandem:requests_lent") > 0
                        && Client.metric(decode, "tandem:requests_awaiting_kv") > 0,
                () -> "no transfer begins\n" + decode.log());
        assertThat(reply).isNotDone();
        prefill.kill();
        assertThat(reply.join().status()).as("%s", reply.join().body()).isEqualTo(200);
        assertThat(reply.join().tokenIds()).isEqualTo(prompt.generated());
        awaitAllFree(decode);
    }

    private WarmNode prefill(Order order, Map<String, String> variables) {
        return node(
                order,
                new Member(
                        "kv_producer", prefillHost, List.of("--tensor-parallel-size", "2", "--enable-expert-parallel")),
                variables);
    }

    private WarmNode decode(Order order) {
        return node(
                order,
                new Member("kv_consumer", decodeHost, List.of("--tensor-parallel-size", "4", "--block-size", "32")),
                Map.of());
    }

    /** A node's part. */
    private record Member(String role, String host, List<String> flags) {}

    private WarmNode node(Order order, Member member, Map<String, String> variables) {
        var arguments = new ArrayList<>(List.of(
                "serve",
                GOLDEN.checkpoint().toString(),
                "--served-model-name",
                Deployment.MODEL,
                "--dtype",
                "float32",
                "--max-model-len",
                "480",
                "--max-num-seqs",
                "8",
                "--no-enable-prefix-caching"));
        arguments.addAll(member.flags());
        arguments.addAll(List.of(
                "--kv-transfer-config",
                "{\"kv_connector\":\"" + order.connector + "\",\"kv_role\":\"" + member.role() + "\",\"kv_port\":\""
                        + TandemProcess.KV_PORT + "\",\"engine_id\":\"" + member.role()
                        + "\",\"kv_connector_extra_config\":{\"prefill\":{\"dp_size\":1,\"tp_size\":2},"
                        + "\"decode\":{\"dp_size\":1,\"tp_size\":4}}}"));
        nodes.add(WarmNode.start(member.host(), arguments, variables));
        return nodes.getLast();
    }

    private void startGateway(Order order) {
        nodes.forEach(WarmNode::awaitReady);
        String[] flags = order == Order.LAYERWISE ? new String[] {"--layerwise"} : new String[0];
        gateway = Deployment.startGateway(List.of(prefillHost), List.of(decodeHost), flags)
                .awaitReady();
    }

    private static CompletableFuture<Reply> ask(TandemProcess gateway, Prompt prompt) {
        return Client.postAsync(
                gateway.uri("/v1/completions"),
                Client.greedy(prompt.ids(), prompt.generated().size()).toString());
    }

    private static void awaitAllFree(WarmNode node) {
        Await.until(
                SOON,
                () -> Client.metric(node, "tandem:kv_blocks") > 0
                        && Client.metric(node, "tandem:kv_blocks_free") == Client.metric(node, "tandem:kv_blocks"),
                () -> "blocks are held:\n"
                        + Client.get(node.uri("/metrics")).body().asString(""));
        assertThat(Client.metric(node, "tandem:integrity_failures_total")).isZero();
    }
}
