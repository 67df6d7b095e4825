package dev.tandem.gateway;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.ApiKeys;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.access.ServerTls;
import dev.tandem.api.access.ServerTls.ClientCertificates;
import dev.tandem.api.access.TestAuthority;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.HttpServer;
import dev.tandem.api.server.HttpServerConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Keys of clients and of nodes, and TLS on both sides of the gateway. */
@Timeout(120)
class GatewayAccessTest {
    private static final Pattern ROUTE =
            Pattern.compile("(?:Blocking|Loop)Route(?:\\.status)?\\(\\s*\"([A-Z]+)\",\\s*\"([^\"]+)\"");

    @TempDir
    private Path folder;

    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable one : open.reversed()) {
            one.close();
        }
    }

    private <T extends AutoCloseable> T closedLater(T one) {
        open.add(one);
        return one;
    }

    private static ServerAccess keys(String... keys) {
        return new ServerAccess(
                new ApiKeyRules(List.of(keys), Optional.empty(), ApiKeyRules.USUALLY_OPEN), Optional.empty());
    }

    private static GatewayAccess access(ServerAccess clients, Optional<String> nodeKey) {
        return new GatewayAccess(clients, nodeKey, Optional.empty(), OptionalInt.empty(), TlsFiles.NONE);
    }

    private Gateway gateway(PdShape shape, NodeLists nodes, GatewayAccess access) {
        GatewayPolicies usual = GatewayPolicies.DEFAULT;
        return closedLater(Gateway.start(new GatewayConfig(
                new HttpAddress("127.0.0.1", 0),
                nodes,
                RetrySettings.DEFAULT,
                new GatewayPolicies(shape, usual.localPrefill(), false, usual.probes()),
                GatewayLimits.DEFAULT,
                access)));
    }

    private static NodeLists nodes(String host, int prefill, int decode) {
        return new NodeLists(List.of(host), List.of(prefill), List.of(host), List.of(decode));
    }

    private HttpReply ask(HttpAddress address, String method, String path, String authorization, TlsFiles tls) {
        try (HttpClient http = HttpClient.start(HttpClientConfig.DEFAULT, tls)) {
            Map<String, String> headers = authorization.isEmpty()
                    ? Map.of("Content-Type", "application/json")
                    : Map.of("Content-Type", "application/json", "Authorization", authorization);
            byte[] body = method.equals("GET") ? new byte[0] : "{\"prompt\":\"a\"}".getBytes(StandardCharsets.UTF_8);
            return http.send(new HttpCall(method, address, path, headers, body), Duration.ofSeconds(20));
        }
    }

    private HttpReply ask(Gateway gateway, String method, String path, String authorization) {
        return ask(new HttpAddress("127.0.0.1", gateway.port()), method, path, authorization, TlsFiles.NONE);
    }

    private static void awaitHealthy(Gateway gateway) throws InterruptedException {
        GatewayFixture.await(() -> gateway.waitsFor().isEmpty());
    }

    @Test
    void shouldAskForAKeyOnEveryRoute() throws Exception {
        FakeNode prefill = closedLater(FakeNode.prefill());
        FakeNode decode = closedLater(FakeNode.decode());
        Gateway gateway = gateway(
                new PdShape.DecodeFirst(Optional.empty()),
                nodes("127.0.0.1", prefill.port(), decode.port()),
                access(keys("k"), Optional.empty()));
        Path sources = Path.of(System.getProperty("tandem.root"), "gateway/src/main/java/dev/tandem/gateway");
        String text = Files.readString(sources.resolve("Gateway.java"))
                + Files.readString(sources.resolve("StatusPages.java"));
        List<String[]> routes = ROUTE.matcher(text)
                .results()
                .map(route -> new String[] {route.group(1), route.group(2)})
                .toList();
        assertThat(routes).hasSizeGreaterThan(6);
        for (String[] route : routes) {
            boolean isOpen = route[1].equals("/health");
            assertThat(ask(gateway, route[0], route[1], "").status() == 401)
                    .as(route[0] + " " + route[1])
                    .isNotEqualTo(isOpen);
            assertThat(ask(gateway, route[0], route[1], "Bearer x").status() == 401)
                    .as(route[0] + " " + route[1])
                    .isNotEqualTo(isOpen);
        }
        assertThat(ask(gateway, "GET", "/nowhere", "").status()).isEqualTo(401);
        assertThat(ask(gateway, "GET", "/metrics", "bearer k").status()).isEqualTo(200);
        assertThat(ask(gateway, "POST", "/v1/metaserver", "").status())
                .isEqualTo(400); // decode nodes have no client's key
        assertThat(prefill.waiting() + decode.waiting()).isZero();
    }

    @Test
    void shouldShowNodesItsOwnKeyAndNeverThatOfItsClients() throws Exception {
        FakeNode prefill = closedLater(FakeNode.prefill());
        FakeNode decode = closedLater(FakeNode.decode());
        NodeLists nodes = nodes("127.0.0.1", prefill.port(), decode.port());
        Gateway keyed = gateway(new PdShape.PrefillFirst(), nodes, access(keys("k"), Optional.of("n")));
        Gateway keyless = gateway(new PdShape.PrefillFirst(), nodes, access(keys("k"), Optional.empty()));
        Gateway passing = gateway(new PdShape.PrefillFirst(), nodes, GatewayAccess.OPEN);
        for (Gateway gateway : List.of(keyed, keyless, passing)) {
            awaitHealthy(gateway);
            assertThat(ask(gateway, "POST", "/v1/completions", "Bearer k").status())
                    .isEqualTo(200);
            Optional<String> shown = gateway == keyed
                    ? Optional.of("Bearer n")
                    : gateway == passing ? Optional.of("Bearer k") : Optional.empty();
            assertThat(Optional.ofNullable(prefill.take().headers().get("authorization")))
                    .isEqualTo(shown);
            assertThat(Optional.ofNullable(decode.take().headers().get("authorization")))
                    .isEqualTo(shown);
        }
        assertThat(ask(keyed, "GET", "/v1/models", "Bearer k").status()).isEqualTo(200);
        assertThat(prefill.take().headers()).containsEntry("authorization", "Bearer n");
    }

    @Test
    void shouldShowMetricsOnAPortOfTheirOwn() throws Exception {
        var access = new GatewayAccess(keys("k"), Optional.empty(), Optional.empty(), OptionalInt.of(0), TlsFiles.NONE);
        Gateway gateway =
                gateway(new PdShape.PrefillFirst(), nodes("127.0.0.1", GatewayFixture.closedPort(), 1), access);
        var alone = new HttpAddress("127.0.0.1", gateway.metricsPort().getAsInt());
        HttpReply page = ask(alone, "GET", "/metrics", "", TlsFiles.NONE);
        assertThat(page.status()).isEqualTo(200);
        assertThat(page.text())
                .contains("tandem_gateway_requests_total")
                .contains("client_requests_total{client=\"key-1\"");
        assertThat(ask(alone, "GET", "/healthcheck", "", TlsFiles.NONE).status())
                .isEqualTo(404);
        assertThat(ask(gateway, "GET", "/metrics", "").status()).isEqualTo(401);
    }

    /** A node that lends and answers, asks for a key on all but its health, and takes note of whom it serves. */
    private HttpServer secureNode(TlsFiles files, Path keyFile, String role, List<String> served) {
        String identity = "{\"version\":\"1\",\"node\":{\"role\":\"" + role
                + "\",\"handoff\":\"pull\",\"connector\":\"MooncakeConnector\",\"engine_id\":\"" + role + "\"}}";
        String answer = "{\"choices\":[{\"text\":\"ok\"}],\"kv_transfer_params\":" + FakeNode.TICKET + "}";
        return closedLater(HttpServer.start(
                new HttpServerConfig("127.0.0.1", 0, 1, 100_000, 100),
                new ServerAccess(
                        new ApiKeyRules(List.of(), Optional.of(keyFile), ApiKeyRules.USUALLY_OPEN),
                        Optional.of(new ServerTls(files, ClientCertificates.REQUIRED))),
                List.of(
                        new BlockingRoute("GET", "/health", exchange -> exchange.respondEmpty(200)),
                        new BlockingRoute(
                                "GET",
                                "/version",
                                exchange -> exchange.respond(
                                        200, "application/json", identity.getBytes(StandardCharsets.UTF_8))),
                        new BlockingRoute("POST", "/v1/completions", exchange -> {
                            served.add(role + " " + exchange.client());
                            exchange.respond(200, "application/json", answer.getBytes(StandardCharsets.UTF_8));
                        }))));
    }

    @Test
    void shouldServeClientsAndCallNodesInMutualTls() throws Exception {
        var authority = new TestAuthority("own");
        TlsFiles own = authority.issue(folder, "gateway", "127.0.0.1");
        TlsFiles ofNodes = authority.issue(folder, "nodes", "127.0.0.1");
        Path keyFile = Files.writeString(folder.resolve("keys"), "the-gateway " + ApiKeys.hash("n") + "\n");
        Path nodeKey = Files.writeString(folder.resolve("node-key"), "n\n");
        List<String> served = new CopyOnWriteArrayList<>();
        HttpServer prefill = secureNode(ofNodes, keyFile, "prefill", served);
        HttpServer decode = secureNode(ofNodes, keyFile, "decode", served);
        var clients = new ServerAccess(ApiKeyRules.NONE, Optional.of(new ServerTls(own, ClientCertificates.REQUIRED)));
        var access = new GatewayAccess(clients, Optional.empty(), Optional.of(nodeKey), OptionalInt.empty(), own);
        Gateway gateway =
                gateway(new PdShape.PrefillFirst(), nodes("https://127.0.0.1", prefill.port(), decode.port()), access);
        awaitHealthy(gateway);
        var address = new HttpAddress("127.0.0.1", gateway.port(), true);
        TlsFiles client = authority.issue(folder, "client", "c");
        HttpReply reply = ask(address, "POST", "/v1/completions", "Bearer whatever", client);
        assertThat(reply.status()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).contains("true");
        assertThat(served).containsExactly("prefill the-gateway", "decode the-gateway");
        assertThat(ask(address, "GET", "/healthcheck", "", client).text())
                .contains("\"node\":\"https://127.0.0.1:" + prefill.port() + "\"");

        replace(keyFile, "the-gateway " + ApiKeys.hash("m") + "\n");
        replace(nodeKey, "m\n");
        GatewayFixture.await(
                () -> ask(address, "POST", "/v1/completions", "", client).status() == 200);
    }

    @Test
    void shouldLeaveOutNodesThatItCannotTrustOrThatDoNotTrustIt() throws Exception {
        var authority = new TestAuthority("own");
        TlsFiles own = authority.issue(folder, "gateway", "127.0.0.1");
        Path keyFile = Files.writeString(folder.resolve("keys"), "g " + ApiKeys.hash("n") + "\n");
        HttpServer node = secureNode(authority.issue(folder, "nodes", "127.0.0.1"), keyFile, "prefill", List.of());
        TlsFiles withoutCertificate = new TlsFiles(Optional.empty(), Optional.empty(), own.authorities());
        TlsFiles wrongAuthority =
                new TlsFiles(own.key(), own.certificate(), Optional.of(new TestAuthority("other").trust(folder)));
        assertLeftOut("https://127.0.0.1", node, withoutCertificate, "127.0.0.1:" + node.port());
        assertLeftOut("https://127.0.0.1", node, wrongAuthority, "unable to find valid certification path");
        assertLeftOut("https://localhost", node, own, "localhost found");
        assertLeftOut("127.0.0.1", node, own, "127.0.0.1:" + node.port());
    }

    private void assertLeftOut(String host, HttpServer node, TlsFiles tls, String cause) {
        var access = new GatewayAccess(ServerAccess.OPEN, Optional.of("n"), Optional.empty(), OptionalInt.empty(), tls);
        Gateway gateway = gateway(new PdShape.PrefillFirst(), nodes(host, node.port(), node.port()), access);
        assertThat(gateway.waitsFor().orElseThrow()).contains(cause);
    }

    private static void replace(Path file, String text) throws IOException {
        Path fresh = Files.writeString(file.resolveSibling(file.getFileName() + ".new"), text);
        Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
    }
}
