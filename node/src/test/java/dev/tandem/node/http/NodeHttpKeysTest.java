package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.text.Tokenizer;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The endpoints of a node that asks for keys, all that its source registers. */
@Timeout(60)
class NodeHttpKeysTest {
    private static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    private static final Path MODEL = ROOT.resolve("models/tandem-fable");
    private static final Set<String> OPEN = Set.of("/health", "/ping");
    private static final Pattern ROUTE =
            Pattern.compile("BlockingRoute(?:\\.status)?\\(\\s*\"([A-Z]+)\",\\s*\"([^\"]+)\"");

    private final Checkpoint checkpoint = Checkpoint.open(MODEL);
    private final Tokenizer tokenizer = Tokenizer.openFolder(MODEL);
    private final HttpClient client = HttpClient.start(HttpClientConfig.DEFAULT);
    private NodeHttp server;

    @BeforeEach
    void start() {
        var flags = ServeFlags.parse(
                List.of(MODEL.toString(), "--host", "127.0.0.1", "--port", "0", "--metrics-port", "0"));
        var model = new ServedModel(
                List.of("fable"),
                checkpoint.config(),
                tokenizer,
                new ServedModel.Conversations(tokenizer.chatTemplate(), "no template"),
                new ServedModel.Limits(256, 5, false, 0));
        var counters = new Counters<>(ClusterCounter.class);
        var access = new ServerAccess(
                new ApiKeyRules(List.of("k"), Optional.empty(), ApiKeyRules.USUALLY_OPEN), Optional.empty());
        var peers = new HandoffPeers(List.of(), PeerTrust.everybody(), Set.of(), Set.of());
        server = NodeHttp.start(
                flags, access, peers, model, new ReplicaSet(1, 0, counters), List::of, counters, Optional.empty());
    }

    @AfterEach
    void close() {
        client.close();
        server.close();
        tokenizer.close();
        checkpoint.close();
    }

    private HttpReply ask(int port, String method, String path, String authorization) {
        byte[] body = method.equals("GET") ? new byte[0] : "{}".getBytes(StandardCharsets.UTF_8);
        Map<String, String> headers = authorization.isEmpty() ? Map.of() : Map.of("Authorization", authorization);
        return client.send(
                new HttpCall(method, new HttpAddress("127.0.0.1", port), path, headers, body), Duration.ofSeconds(20));
    }

    @Test
    void shouldAskForAKeyOnEveryRoute() throws IOException {
        String source = Files.readString(ROOT.resolve("node/src/main/java/dev/tandem/node/http/NodeHttp.java"));
        List<String[]> routes = ROUTE.matcher(source)
                .results()
                .map(route -> new String[] {route.group(1), route.group(2)})
                .toList();
        assertThat(routes).hasSizeGreaterThan(11);
        for (String[] route : routes) {
            String name = route[0] + " " + route[1];
            boolean isGuarded = !OPEN.contains(route[1]);
            for (String wrong : List.of("", "Bearer x", "Basic k")) {
                boolean isRefused =
                        ask(server.port(), route[0], route[1], wrong).status() == 401;
                assertThat(isRefused).as(name).isEqualTo(isGuarded);
            }
            assertThat(ask(server.port(), route[0], route[1], "bearer k").status())
                    .as(name)
                    .isNotIn(401, 404);
        }
        assertThat(ask(server.port(), "GET", "/nowhere", "").status()).isEqualTo(401);
        assertThat(ask(server.port(), "GET", "/nowhere", "Bearer k").status()).isEqualTo(404);
    }

    @Test
    void shouldShowMetricsOnAPortOfTheirOwn() {
        int alone = server.metricsPort().getAsInt();
        HttpReply page = ask(alone, "GET", "/metrics", "");
        assertThat(page.status()).isEqualTo(200);
        assertThat(page.text()).contains("tandem:client_requests_total{client=\"key-1\"");
        assertThat(ask(alone, "GET", "/v1/models", "Bearer k").status()).isEqualTo(404);
    }
}
