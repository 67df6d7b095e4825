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
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.node.ObjectNode;

/** Nodes that are stopped (SIGSTOP) while they have requests: nobody waits for them longer than it takes to notice. */
class StoppedProcessTest {
    private static final Golden GOLDEN = Golden.folder("qwen3");
    private static final Duration SOON = Duration.ofSeconds(60);
    private static final int REQUESTS = 12;
    private static final int MAX_SEQUENCES = 8; // of a rank

    private final List<WarmNode> nodes = new ArrayList<>();
    private final List<TandemProcess> gateways = new ArrayList<>();

    @AfterEach
    void stop() {
        gateways.forEach(TandemProcess::close);
        nodes.forEach(node -> signal("CONT", node));
        nodes.reversed().forEach(WarmNode::close);
    }

    private WarmNode node(String connector, String role) {
        nodes.add(WarmNode.start(
                Loopback.next(),
                List.of(
                        "serve",
                        GOLDEN.checkpoint().toString(),
                        "--served-model-name",
                        Deployment.MODEL,
                        "--dtype",
                        "float32",
                        "--max-model-len",
                        "2048",
                        "--max-num-seqs",
                        Integer.toString(MAX_SEQUENCES),
                        "--kv-transfer-config",
                        Deployment.transfer(connector, role, Integer.toString(nodes.size()))),
                Map.of()));
        return nodes.getLast();
    }

    private static void signal(String name, WarmNode node) {
        try {
            Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(node.pid()))
                    .inheritIO()
                    .start();
            assertThat(kill.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(kill.exitValue()).isZero();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"MooncakeConnector", "MooncakeLayerwiseConnector"})
    void shouldAnswerEveryRequestAlthoughANodeStandsStill(String connector) {
        List<WarmNode> prefill = List.of(node(connector, "kv_producer"), node(connector, "kv_producer"));
        List<WarmNode> decode = List.of(node(connector, "kv_consumer"), node(connector, "kv_consumer"));
        nodes.forEach(WarmNode::awaitReady);
        String[] flags = connector.equals("MooncakeConnector")
                ? new String[] {"--silence-timeout", "2"}
                : new String[] {"--silence-timeout", "2", "--layerwise"};
        TandemProcess gateway = Deployment.startGateway(
                prefill.stream().map(node -> node.http().host()).toList(),
                decode.stream().map(node -> node.http().host()).toList(),
                flags);
        gateways.add(gateway.awaitReady());
        Deployment.awaitHealthy(gateway.http(), 2, 2);
        assertAnswered(ask(gateway));

        for (WarmNode stopped : List.of(decode.getFirst(), prefill.getFirst())) {
            double hung = Client.metric(gateway, "tandem_gateway_calls_hung_total");
            signal("STOP", stopped);
            assertAnswered(ask(gateway)); // half of them have gone to the node that stands still
            assertThat(Client.metric(gateway, "tandem_gateway_calls_hung_total"))
                    .isGreaterThan(hung);

            signal("CONT", stopped);
            Deployment.awaitHealthy(gateway.http(), 2, 2);
            assertAnswered(ask(gateway));
            nodes.forEach(StoppedProcessTest::awaitAllBlocksFree);
        }
    }

    @Test
    void shouldAnswerEveryRequestAlthoughAHeadlessNodeStandsStill() {
        String headHost = Loopback.next();
        WarmNode head = rank(headHost, headHost);
        WarmNode headless = rank(Loopback.next(), headHost, "--headless", "--data-parallel-start-rank", "1");
        nodes.forEach(WarmNode::awaitReady);
        assertAnswered(ask(head));

        signal("STOP", headless);
        assertAnswered(ask(head)); // half of them have gone to the rank that stands still
        assertThat(Client.metric(head, "tandem:cluster_requests_rerun_total")).isPositive();

        signal("CONT", headless);
        Await.until(
                SOON,
                () -> Client.metric(head, "tandem:cluster_nodes_joined_total") == 2,
                () -> "it does not join again: " + headless.log());
        assertAnswered(ask(head));
    }

    /** The head stands still, its headless node runs on: both are out until it goes on, and then both are back. */
    @Test
    void shouldAnswerEveryRequestAlthoughAHeadStandsStill() {
        WarmNode prefill = node("MooncakeConnector", "kv_producer");
        String headHost = Loopback.next();
        String[] transfer = {"--kv-transfer-config", Deployment.transfer("MooncakeConnector", "kv_consumer", "1")};
        WarmNode head = rank(headHost, headHost, transfer);
        WarmNode headless = rank(
                Loopback.next(), headHost, transfer[0], transfer[1], "--headless", "--data-parallel-start-rank", "1");
        WarmNode other = node("MooncakeConnector", "kv_consumer");
        nodes.forEach(WarmNode::awaitReady);
        TandemProcess gateway = Deployment.startGateway(
                List.of(prefill.http().host()), List.of(headHost, other.http().host()), "--silence-timeout", "2");
        gateways.add(gateway.awaitReady());
        Deployment.awaitHealthy(gateway.http(), 1, 2);
        assertAnswered(ask(gateway));

        signal("STOP", head);
        assertAnswered(ask(gateway)); // some of them have gone to the head, and through it to its node
        assertThat(Client.metric(gateway, "tandem_gateway_calls_hung_total")).isPositive();
        Await.until(
                SOON,
                () -> headless.log().contains("the head at " + headHost + ":" + TandemProcess.RPC_PORT + " is gone"),
                () -> "its node does not notice: " + headless.log());

        signal("CONT", head);
        Deployment.awaitHealthy(gateway.http(), 1, 2);
        Await.until(
                SOON,
                () -> Client.metric(head, "tandem:cluster_nodes_joined_total") == 2,
                () -> "its node does not join again: " + headless.log());
        assertAnswered(ask(gateway));
        for (WarmNode node : List.of(prefill, head, other)) {
            awaitAllBlocksFree(node);
        }
    }

    /** A stopped process still has its connections taken, by the system, and says nothing. */
    @Test
    void shouldAnswerOthersAlthoughAMetaserverStandsStill() throws IOException {
        WarmNode decode = node("MooncakeLayerwiseConnector", "kv_consumer");
        decode.awaitReady();
        Prompt prompt = GOLDEN.prompts().get(4); // of more than a block
        ObjectNode body = Client.greedy(prompt.ids(), prompt.generated().size());
        try (var stopped = new ServerSocket(0, REQUESTS, InetAddress.getLoopbackAddress())) {
            ObjectNode invited = body.deepCopy();
            invited.putObject("kv_transfer_params")
                    .put("do_remote_prefill", true)
                    .put("do_remote_decode", false)
                    .put("metaserver", "http://127.0.0.1:" + stopped.getLocalPort() + "/v1/metaserver");
            List<CompletableFuture<Reply>> waiting = IntStream.range(0, REQUESTS)
                    .mapToObj(index -> Client.postAsync(decode.uri("/v1/completions"), invited.toString()))
                    .toList();
            Await.until(
                    SOON,
                    () -> Client.metric(decode, "tandem:requests_awaiting_kv") == MAX_SEQUENCES,
                    () -> "they do not wait: " + decode.log());

            CompletableFuture<Reply> other = Client.postAsync(decode.uri("/v1/completions"), body.toString());
            assertThat(other.orTimeout(SOON.toSeconds(), TimeUnit.SECONDS)
                            .join()
                            .tokenIds())
                    .isEqualTo(prompt.generated());
            for (CompletableFuture<Reply> reply : waiting) {
                assertThat(reply.orTimeout(SOON.toSeconds(), TimeUnit.SECONDS)
                                .join()
                                .tokenIds())
                        .isEqualTo(prompt.generated()); // computed here
            }
        }
    }

    private WarmNode rank(String host, String headHost, String... further) {
        List<String> arguments = Stream.concat(
                        Stream.of(
                                "serve",
                                GOLDEN.checkpoint().toString(),
                                "--served-model-name",
                                Deployment.MODEL,
                                "--dtype",
                                "float32",
                                "--max-model-len",
                                "2048",
                                "--max-num-seqs",
                                Integer.toString(MAX_SEQUENCES),
                                "--data-parallel-size",
                                "2",
                                "--data-parallel-size-local",
                                "1",
                                "--data-parallel-address",
                                headHost,
                                "--data-parallel-rpc-port",
                                Integer.toString(TandemProcess.RPC_PORT)),
                        Stream.of(further))
                .toList();
        nodes.add(WarmNode.start(host, arguments, Map.of()));
        return nodes.getLast();
    }

    private static List<CompletableFuture<Reply>> ask(Server server) {
        return IntStream.range(0, REQUESTS)
                .mapToObj(index -> GOLDEN.prompts().get(index % GOLDEN.prompts().size()))
                .map(prompt -> Client.postAsync(
                        server.uri("/v1/completions"),
                        Client.greedy(prompt.ids(), prompt.generated().size()).toString()))
                .toList();
    }

    private static void awaitAllBlocksFree(WarmNode node) {
        Await.until(
                SOON,
                () -> Client.metric(node, "tandem:kv_blocks_free") == Client.metric(node, "tandem:kv_blocks"),
                () -> "blocks are held:\n"
                        + Client.get(node.uri("/metrics")).body().asString(""));
    }

    private static void assertAnswered(List<CompletableFuture<Reply>> replies) {
        Stream<Prompt> prompts = IntStream.range(0, REQUESTS)
                .mapToObj(index -> GOLDEN.prompts().get(index % GOLDEN.prompts().size()));
        List<Prompt> asked = prompts.toList();
        for (int i = 0; i < REQUESTS; i++) {
            Reply reply =
                    replies.get(i).orTimeout(SOON.toSeconds(), TimeUnit.SECONDS).join();
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
            assertThat(reply.tokenIds()).isEqualTo(asked.get(i).generated());
        }
    }
}
