package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.ApiKeys;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import dev.tandem.api.metrics.MetricsPage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HttpServerKeysTest {
    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final HttpServerConfig CONFIG = new HttpServerConfig("127.0.0.1", 0, 1, 1000, 100);

    @TempDir
    private Path folder;

    private final HttpClient client = HttpClient.start(HttpClientConfig.DEFAULT);
    private HttpServer server;

    @AfterEach
    void close() {
        client.close();
        if (server != null) {
            server.close();
        }
    }

    private void serve(ApiKeyRules rules) {
        Handler whoCalls = exchange ->
                exchange.respond(200, "text/plain", exchange.client().getBytes(StandardCharsets.UTF_8));
        LoopHandler loop = exchange ->
                exchange.respond(200, "text/plain", exchange.client().getBytes(StandardCharsets.UTF_8));
        server = HttpServer.start(
                CONFIG,
                new ServerAccess(rules, Optional.empty()),
                List.of(
                        new BlockingRoute("GET", "/health", whoCalls),
                        new BlockingRoute("POST", "/health", whoCalls),
                        new BlockingRoute("GET", "/metrics", whoCalls),
                        new LoopRoute("GET", "/loop", loop),
                        LoopRoute.callback("GET", "/back", loop)));
    }

    private void serveWithKey() {
        serve(new ApiKeyRules(List.of("k", "l"), Optional.empty(), ApiKeyRules.USUALLY_OPEN));
    }

    private HttpReply ask(String method, String path, String authorization) {
        Map<String, String> headers = authorization.isEmpty() ? Map.of() : Map.of("Authorization", authorization);
        var address = new HttpAddress("127.0.0.1", server.port());
        return client.send(new HttpCall(method, address, path, headers, new byte[0]), DEADLINE);
    }

    private int status(String method, String path, String authorization) {
        return ask(method, path, authorization).status();
    }

    @ParameterizedTest
    @CsvSource({
        "GET, /metrics, 401",
        "GET, /loop, 401",
        "GET, /unknown, 401",
        "POST, /metrics, 401",
        "GET, /health/, 401",
        "GET, //health, 401",
        "GET, /Health, 401",
        "GET, /health%2f, 401",
        "GET, /x/../health, 401",
        "GET, /health;x, 401",
        "GET, /health, 200",
        "GET, /health?x=1, 200",
        "PUT, /health, 405",
        "GET, /ping, 404",
        "OPTIONS, /metrics, 405",
        "GET, /back, 200"
    })
    void shouldAskForAKeyOnEveryPathButTheOpenOnes(String method, String path, int status) {
        serveWithKey();
        assertThat(status(method, path, "")).isEqualTo(status);
        assertThat(status(method, path, "Bearer x")).isEqualTo(status);
    }

    @Test
    void shouldSayWhatItAsksFor() {
        serveWithKey();
        HttpReply reply = ask("GET", "/metrics", "");
        assertThat(reply.header("WWW-Authenticate")).contains("Bearer");
        assertThat(reply.text()).contains("AuthenticationError");
    }

    @Test
    void shouldTellTheHandlerWhoCalls() {
        serveWithKey();
        assertThat(ask("GET", "/metrics", "bearer l").text()).isEqualTo("key-2");
        assertThat(ask("GET", "/loop", "Bearer k").text()).isEqualTo("key-1");
        assertThat(ask("GET", "/health", "").text()).isEqualTo("127.0.0.1");
        assertThat(status("GET", "/unknown", "Bearer k")).isEqualTo(404);
    }

    @Test
    void shouldOpenThePathsOfTheListAlone() {
        serve(new ApiKeyRules(List.of("k"), Optional.empty(), List.of("/metrics")));
        assertThat(status("GET", "/metrics", "")).isEqualTo(200);
        assertThat(status("GET", "/health", "")).isEqualTo(401);
    }

    @Test
    void shouldLetEverybodyInWithoutKeys() {
        serve(ApiKeyRules.NONE);
        assertThat(ask("GET", "/metrics", "Bearer x").text()).isEqualTo("127.0.0.1");
        assertThat(status("GET", "/unknown", "")).isEqualTo(404);
    }

    @Test
    void shouldTakeTheKeysOfAFileAnewAndKeepThemWhileItIsBroken() throws Exception {
        Path file = folder.resolve("keys");
        put(file, "a " + ApiKeys.hash("one") + "\n");
        serve(new ApiKeyRules(List.of("k"), Optional.of(file), ApiKeyRules.USUALLY_OPEN));
        assertThat(ask("GET", "/metrics", "Bearer one").text()).isEqualTo("a");
        assertThat(ask("GET", "/metrics", "Bearer k").text()).isEqualTo("key-1");

        put(file, "b " + ApiKeys.hash("two") + "\n");
        await(() -> ask("GET", "/metrics", "Bearer two").text().equals("b"));
        assertThat(status("GET", "/metrics", "Bearer one")).isEqualTo(401);
        assertThat(status("GET", "/metrics", "Bearer k")).isEqualTo(200);

        put(file, "c three\n");
        put(folder.resolve("other"), "d " + ApiKeys.hash("four") + "\n");
        try (HttpServer witness =
                HttpServer.start( // its file changes later, so when it has seen that, ours has been looked at too
                        CONFIG,
                        new ServerAccess(
                                new ApiKeyRules(List.of(), Optional.of(folder.resolve("other")), List.of()),
                                Optional.empty()),
                        List.of())) {
            put(folder.resolve("other"), "d " + ApiKeys.hash("five") + "\n");
            await(() -> client.send(
                                    HttpCall.get(new HttpAddress("127.0.0.1", witness.port()), "/")
                                            .withHeader("Authorization", "Bearer five"),
                                    DEADLINE)
                            .status()
                    == 404);
        }
        assertThat(status("GET", "/metrics", "Bearer two")).isEqualTo(200);
        assertThat(status("GET", "/metrics", "Bearer three")).isEqualTo(401);

        put(file, "c " + ApiKeys.hash("three") + "\n");
        await(() -> status("GET", "/metrics", "Bearer three") == 200);
        assertThat(status("GET", "/metrics", "Bearer two")).isEqualTo(401);
    }

    @Test
    void shouldCountWhoCalls() throws Exception {
        serveWithKey();
        var page = new MetricsPage(Map.of());
        server.guard().show(page, "x_");
        status("GET", "/metrics", "Bearer l");
        status("GET", "/metrics", "Bearer l");
        status("GET", "/metrics", "");
        String shown = new String(page.scrape(), StandardCharsets.UTF_8);
        assertThat(shown)
                .contains("x_client_requests_total{client=\"key-1\"} 0.0")
                .contains("x_client_requests_total{client=\"key-2\"} 2.0")
                .contains("x_requests_without_key_total 1.0");
    }

    /** Replaces a file in one go, as a careful operator does. */
    private static void put(Path file, String text) throws IOException {
        Path fresh = Files.writeString(file.resolveSibling(file.getFileName() + ".new"), text);
        Files.move(fresh, file, StandardCopyOption.REPLACE_EXISTING);
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long deadlineNs = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("it did not come about").isLessThan(deadlineNs);
            Thread.sleep(20);
        }
    }
}
