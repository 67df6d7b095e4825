package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.counter.Counters;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What all clients of a server together may cost: bytes, and connections. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HttpBoundsTest {
    private static final int HELD_BYTES = 1 << 20;
    private static final int PART = 100 << 10;
    private static final String OTHER = Loopback.next();

    private final Counters<HttpCounter> counters = new Counters<>(HttpCounter.class);
    private final CountDownLatch mayAnswer = new CountDownLatch(1);
    private final List<RawClient> clients = new ArrayList<>();

    @AfterEach
    void close() {
        mayAnswer.countDown();
        clients.forEach(RawClient::close);
    }

    private HttpServer serve(int maxConnections) {
        var limits = new HttpLimits(
                64 << 10, Duration.ofSeconds(4), Duration.ofSeconds(30), Duration.ofSeconds(5), HELD_BYTES);
        var config = new HttpServerConfig("127.0.0.1", 0, 1, 64 << 20, 32, limits, ConnectionLimits.of(maxConnections));
        List<Route> routes = List.of(
                new BlockingRoute("POST", "/x", exchange -> exchange.respond(200, "text/plain", new byte[] {'k'})),
                new LoopRoute("POST", "/loop", exchange -> exchange.respond(200, "text/plain", new byte[] {'k'})),
                new BlockingRoute(
                        "POST",
                        "/tree",
                        exchange -> exchange.respond(
                                200,
                                "text/plain",
                                exchange.json().toString().substring(0, 1).getBytes())),
                new BlockingRoute("POST", "/wait", exchange -> {
                    mayAnswer.await();
                    exchange.respond(200, "text/plain", new byte[] {'k'});
                }),
                new BlockingRoute(
                        "GET", "/large", exchange -> exchange.respond(200, "text/plain", new byte[HELD_BYTES * 3 / 4])),
                new BlockingRoute("GET", "/health", exchange -> exchange.respond(200, "text/plain", new byte[0])));
        return HttpServer.start(config, ServerAccess.OPEN, counters, routes);
    }

    private RawClient client(HttpServer server) {
        return client(server, "127.0.0.1");
    }

    private RawClient client(HttpServer server, String from) {
        RawClient client = new RawClient(server.port(), from);
        clients.add(client);
        return client;
    }

    private static String head(String path, int length) {
        return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + length + "\r\n\r\n";
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) { // the class's timeout ends a wait in vain
            Thread.onSpinWait();
        }
    }

    @Test
    void shouldRefuseSlowBodiesThatTogetherAreTooManyBytes() {
        try (HttpServer server = serve(100)) {
            for (int i = 0; i < 20; i++) {
                client(server).send(head("/loop", 300 << 10)).send("a".repeat(PART));
            }
            await(() -> counters.value(HttpCounter.MEMORY_REFUSALS) > 0);
            await(() -> server.activeExchanges() + counters.value(HttpCounter.MEMORY_REFUSALS) == 20);
            assertThat(server.heldBytes()).isBetween(HELD_BYTES / 2L, (long) HELD_BYTES);
            assertThat(clients.getLast().readAnswer())
                    .startsWith("HTTP/1.1 503 ")
                    .containsIgnoringCase("Retry-After: 1");

            assertThat(client(server).post("/loop", "a small one").readAnswer()).startsWith("HTTP/1.1 200 ");
            clients.forEach(RawClient::close);
            await(() -> server.heldBytes() == 0 && server.activeExchanges() == 0);
        }
    }

    @Test
    void shouldHoldNothingForBytesThatAreOnlyPromised() {
        try (HttpServer server = serve(100)) {
            for (int i = 0; i < 20; i++) {
                client(server).send(head("/loop", 300 << 10));
            }
            await(() -> server.activeExchanges() == 20);
            assertThat(server.heldBytes()).isZero();
            assertThat(client(server).post("/loop", "a".repeat(PART)).readAnswer())
                    .startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void shouldCallABodyTooLargeThatCouldNeverBeHeld() {
        try (HttpServer server = serve(100)) {
            assertThat(client(server).send(head("/loop", HELD_BYTES / 2)).readAnswer())
                    .startsWith("HTTP/1.1 413 ")
                    .contains("exceeds 327680 bytes");
        }
    }

    @Test
    void shouldRefuseABodyWhoseTreeWouldBeTooLarge() {
        try (HttpServer server = serve(100)) {
            String body = "{\"a\":[" + "{},".repeat(10_000) + "{}]}";
            assertThat(client(server).post("/tree", body).readAnswer()).startsWith("HTTP/1.1 503 ");
            assertThat(client(server).post("/tree", "{\"a\":[{},{}]}").readAnswer())
                    .startsWith("HTTP/1.1 200 ");
            await(() -> server.heldBytes() == 0);
        }
    }

    @Test
    void shouldHoldRepliesOnlyAsLongAsTheirReadersRead() {
        try (HttpServer server = serve(100)) {
            RawClient deaf = deaf(server);
            await(() -> client(server).get("/large").readAnswer().startsWith("HTTP/1.1 503 ")); // once nothing moves
            assertThat(client(server).get("/health").readAnswer()).startsWith("HTTP/1.1 200 ");
            await(() -> server.heldBytes() == 0); // the deaf client has been given up
            assertThat(counters.value(HttpCounter.READERS_GIVEN_UP)).isEqualTo(1);
            assertThat(client(server).get("/large").readAnswer()).startsWith("HTTP/1.1 200 ");
            deaf.close();
        }
    }

    /** Asks again and again for a large reply and reads none of them: the first do not fill what the system itself holds. */
    private RawClient deaf(HttpServer server) {
        RawClient client = client(server);
        for (int i = 0; i < 60; i++) {
            client.get("/large");
        }
        return client;
    }

    @Test
    void shouldServeOthersWhileSomebodyHoldsManyIdleConnections() {
        try (HttpServer server = serve(16)) {
            for (int i = 0; i < 200; i++) {
                client(server);
            }
            for (int i = 0; i < 40; i++) {
                assertThat(client(server, OTHER).post("/x", "a").readAnswer()).startsWith("HTTP/1.1 200 ");
            }
            assertThat(client(server).get("/health").readAnswer()).startsWith("HTTP/1.1 200 ");
            assertThat(counters.value(HttpCounter.CONNECTIONS_EVICTED)).isGreaterThan(184);
        }
    }

    @Test
    void shouldKeepTheConnectionThatIsInUseWhileOthersDripHeads() {
        try (HttpServer server = serve(16)) {
            RawClient good = client(server, OTHER);
            for (int i = 0; i < 200; i++) {
                client(server).send("POST /x HTT");
                assertThat(good.post("/x", "a").readAnswer()).startsWith("HTTP/1.1 200 ");
            }
        }
    }

    @Test
    void shouldAnswerForStatusWhenAllConnectionsAreBusy() {
        try (HttpServer server = serve(8)) {
            for (int i = 0; i < 7; i++) {
                client(server).post("/wait", "a");
            }
            await(() -> server.activeExchanges() == 7);
            assertThat(client(server).post("/x", "a").readAll()) // it has seven of eight, the last is for others
                    .startsWith("HTTP/1.1 503 ")
                    .contains("--max-connections")
                    .containsIgnoringCase("Retry-After: 1")
                    .containsIgnoringCase("Connection: close");
            client(server, OTHER).post("/wait", "a");
            await(() -> server.activeExchanges() == 8);
            assertThat(client(server, OTHER).post("/x", "a").readAll()).startsWith("HTTP/1.1 503 ");
            assertThat(client(server).get("/health").readAnswer()).startsWith("HTTP/1.1 200 ");
        }
    }

    @Test
    void shouldKeepTheLastPlacesFromAnAddressThatHasMostOfThem() {
        try (HttpServer server = serve(100)) {
            for (int i = 0; i < 28; i++) {
                client(server).post("/wait", "a");
            }
            await(() -> server.activeExchanges() == 28);
            assertThat(client(server).post("/x", "a").readAnswer())
                    .startsWith("HTTP/1.1 503 ")
                    .contains("more than half");
            assertThat(client(server, OTHER).post("/x", "a").readAnswer()).startsWith("HTTP/1.1 200 ");
        }
    }
}
