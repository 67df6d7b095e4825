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
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Who spreads requests over data-parallel ranks: somebody outside, each node over its own, or a head without ranks; as processes. */
class BalancingTest {
    private static final Golden GOLDEN = Golden.folder("qwen3-moe");
    private static final Duration SOON = Duration.ofSeconds(60);

    private final List<WarmNode> nodes = new ArrayList<>();
    private @Nullable TandemProcess gateway;
    private final String headHost = Loopback.next();
    private final String otherHost = Loopback.next();

    @AfterEach
    void stop() {
        if (gateway != null) {
            gateway.close();
        }
        nodes.reversed().forEach(WarmNode::close);
    }

    @Test
    void shouldServeOneRankAProcessAndShareExpertsAmongThem() {
        start(Loopback.next(), transfer("kv_producer", "0"), List.of());
        WarmNode first = start(headHost, transfer("kv_consumer", "1"), rank(0));
        WarmNode second = start(otherHost, transfer("kv_consumer", "1"), rank(1));
        startGateway(nodes.getFirst(), first, second);

        assertGoldenTokens(gateway);

        assertThat(Client.successesOfAllRanks(first.uri("/metrics"))).containsOnlyKeys("0");
        assertThat(Client.successesOfAllRanks(second.uri("/metrics"))).containsOnlyKeys("1");
        for (WarmNode node : List.of(first, second)) {
            assertThat(Client.metric(node, "tandem:cluster_expert_rows_served_total"))
                    .as("rows of the other process's requests, computed at %s", node.http())
                    .isPositive();
        }

        second.kill();
        assertGoldenTokens(gateway);
        assertThat(Client.get(first.uri("/health"))
                        .body()
                        .path("nodes_away")
                        .path(0)
                        .path("node")
                        .asString(""))
                .isEqualTo("data-parallel rank 1 on " + otherHost);
    }

    private List<String> rank(int rank) {
        return deployment(
                "2", "--enable-expert-parallel", "--data-parallel-external-lb", "--data-parallel-rank", "" + rank);
    }

    @Test
    void shouldBalanceOverTheRanksOfEachNode() {
        WarmNode first = start(
                headHost, List.of(), deployment("4", "--data-parallel-size-local", "2", "--data-parallel-hybrid-lb"));
        WarmNode second = start(
                otherHost,
                List.of(),
                deployment(
                        "4",
                        "--data-parallel-size-local",
                        "2",
                        "--data-parallel-start-rank",
                        "2",
                        "--data-parallel-hybrid-lb"));
        nodes.forEach(WarmNode::awaitReady);
        assertGoldenTokens(first);
        assertGoldenTokens(second);
        assertThat(Client.successesOfAllRanks(first.uri("/metrics"))).containsOnlyKeys("0", "1");
        assertThat(Client.successesOfAllRanks(second.uri("/metrics"))).containsOnlyKeys("2", "3");
    }

    @Test
    void shouldBalanceFromAHeadWithoutRanks() {
        start(Loopback.next(), transfer("kv_producer", "0"), List.of());
        WarmNode head = start(
                headHost,
                transfer("kv_consumer", "1"),
                deployment("2", "--enable-expert-parallel", "--data-parallel-size-local", "0"));
        start(
                otherHost,
                transfer("kv_consumer", "2"),
                deployment("2", "--enable-expert-parallel", "--headless", "--data-parallel-start-rank", "0"));
        startGateway(nodes.getFirst(), head);
        assertGoldenTokens(gateway);
        assertThat(Client.successesOfAllRanks(head.uri("/metrics"))).containsOnlyKeys("0", "1");

        nodes.get(2).kill();
        Await.until(
                SOON,
                () -> Client.get(head.uri("/health")).status() == 503,
                () -> "the head says that it is well without any rank");
        assertThat(Client.get(head.uri("/health")).body().path("error").asString(""))
                .contains("no data-parallel rank is there");
    }

    private List<String> deployment(String size, String... more) {
        return Stream.concat(
                        Stream.of(
                                "--data-parallel-size",
                                size,
                                "--data-parallel-address",
                                headHost,
                                "--data-parallel-rpc-port",
                                Integer.toString(TandemProcess.RPC_PORT)),
                        Stream.of(more))
                .toList();
    }

    /** A part in handoffs between one prefill rank and decode ranks. */
    private static List<String> transfer(String role, String engineId) {
        return List.of("--kv-transfer-config", Deployment.transfer("MooncakeConnector", role, engineId));
    }

    private WarmNode start(String host, List<String> transfer, List<String> more) {
        var arguments = new ArrayList<>(List.of(
                "serve",
                GOLDEN.checkpoint().toString(),
                "--served-model-name",
                Deployment.MODEL,
                "--dtype",
                "float32",
                "--max-model-len",
                "2048",
                "--max-num-seqs",
                "16"));
        arguments.addAll(transfer);
        arguments.addAll(more);
        nodes.add(WarmNode.start(host, arguments, Map.of()));
        return nodes.getLast();
    }

    private void startGateway(WarmNode prefill, WarmNode... decode) {
        nodes.forEach(WarmNode::awaitReady);
        gateway = Deployment.startGateway(
                        List.of(prefill.http().host()),
                        Stream.of(decode).map(node -> node.http().host()).toList())
                .awaitReady();
        Deployment.awaitHealthy(gateway.http(), 1, decode.length);
    }

    /** All prompts at once, twice. */
    private static void assertGoldenTokens(Server node) {
        URI completions = node.uri("/v1/completions");
        List<Prompt> prompts = Stream.concat(GOLDEN.prompts().stream(), GOLDEN.prompts().stream())
                .toList();
        List<CompletableFuture<Reply>> replies = prompts.stream()
                .map(prompt -> Client.postAsync(
                        completions,
                        Client.greedy(prompt.ids(), prompt.generated().size()).toString()))
                .toList();
        for (int i = 0; i < prompts.size(); i++) {
            Reply reply = replies.get(i).join();
            assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
            assertThat(reply.tokenIds())
                    .as(prompts.get(i).id())
                    .isEqualTo(prompts.get(i).generated());
        }
    }
}
