package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.ApiException;
import dev.tandem.api.openai.ApiError;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HttpServerTest {
    private static final long WAIT_S = 20;
    private static final HttpLimits PATIENT =
            new HttpLimits(64 << 10, Duration.ofSeconds(30), Duration.ofSeconds(30), Duration.ofSeconds(5));

    private static HttpServer serve(String method, Handler handler) {
        return serve(new HttpServerConfig("127.0.0.1", 0, 1, 1000, 100, PATIENT), method, handler);
    }

    private static HttpServer serve(HttpServerConfig config, String method, Handler handler) {
        return HttpServer.start(config, List.of(new BlockingRoute(method, "/x", handler)));
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void shouldGiveTheHandlerTheRequestAndTheClientItsAnswer() {
        Handler handler = exchange -> exchange.responseHeader(
                        "X-Seen", exchange.header("x-mine").orElse("nothing"))
                .respond(
                        201,
                        "text/plain",
                        utf8(exchange.method()
                                + exchange.path()
                                + exchange.json().get("a")));
        try (HttpServer server = serve("POST", handler);
                RawClient client = new RawClient(server.port())) {
            String answer = client.send("POST /x?q=1 HTTP/1.1\r\nHost: x\r\nX-Mine: é\r\nContent-Length: 34\r\n\r\n")
                    .send("{\"a\": 123456789012345678901234567}")
                    .readAnswer();
            assertThat(answer).startsWith("HTTP/1.1 201 ").endsWith("POST/x123456789012345678901234567");
            assertThat(answer.toLowerCase(java.util.Locale.ROOT)).contains("content-type: text/plain");
        }
    }

    @Test
    void shouldReadAChunkedBody() {
        try (HttpServer server = serve("POST", exchange -> exchange.respond(200, "text/plain", exchange.body()));
                RawClient client = new RawClient(server.port())) {
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
            assertThat(client.send("2\r\nde\r\n0\r\n\r\n").readAnswer()).endsWith("\r\n\r\nabcde");
        }
    }

    @Test
    void shouldAnswerUnknownPathsAndMethodsInTheErrorShape() {
        try (HttpServer server = serve("POST", exchange -> exchange.respondEmpty(200));
                RawClient client = new RawClient(server.port())) {
            assertThat(client.get("/nowhere").readAnswer())
                    .startsWith("HTTP/1.1 404 ")
                    .contains("application/json")
                    .endsWith(
                            "{\"error\":{\"message\":\"no such path: /nowhere\",\"type\":\"NotFoundError\",\"param\":null,\"code\":404}}");
            assertThat(client.get("/x").readAnswer())
                    .startsWith("HTTP/1.1 405 ")
                    .contains("llow: POST")
                    .contains("\"code\":405");
        }
    }

    @Test
    void shouldRefuseABodyThatIsTooLargeAlreadyByItsLength() {
        try (HttpServer server = serve("POST", exchange -> exchange.respondEmpty(200));
                RawClient client = new RawClient(server.port())) {
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 413 ").contains("exceeds 1000 bytes");
        }
    }

    @Test
    void shouldRefuseAChunkedBodyOnceItIsTooLargeAndStayUsable() {
        try (HttpServer server = serve("POST", exchange -> exchange.respondEmpty(204));
                RawClient client = new RawClient(server.port())) {
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
            client.send("3e9\r\n" + "a".repeat(1001) + "\r\n");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 413 ");
            client.send("1\r\na\r\n0\r\n\r\n");
            assertThat(client.post("/x", "{}").readUntil("\r\n\r\n")).startsWith("HTTP/1.1 204 ");
        }
    }

    @Test
    void shouldGiveUpABodyThatDoesNotArrive() {
        var hasty = new HttpLimits(64 << 10, Duration.ofSeconds(30), Duration.ofMillis(300), Duration.ofSeconds(5));
        var config = new HttpServerConfig("127.0.0.1", 0, 1, 1000, 100, hasty);
        try (HttpServer server = serve(config, "POST", exchange -> exchange.respondEmpty(204));
                RawClient client = new RawClient(server.port())) {
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 408 ");
            assertThat(client.readAll()).isEmpty();
            assertThat(server.activeExchanges()).isZero();
        }
    }

    @Test
    void shouldAnswerGarbageWithAnErrorAndCloseTheConnection() {
        try (HttpServer server = serve("GET", exchange -> exchange.respondEmpty(200));
                RawClient client = new RawClient(server.port())) {
            assertThat(client.send("\u0001\u0002 nonsense\r\n\r\n").readAll())
                    .contains(" 400 ")
                    .contains("BadRequestError");
        }
    }

    @Test
    void shouldSendAnInterimAnswerToWhoeverWaitsForIt() {
        try (HttpServer server = serve("POST", exchange -> exchange.respond(200, "text/plain", exchange.body()));
                RawClient client = new RawClient(server.port())) {
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
            assertThat(client.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 100 ");
            assertThat(client.send("ok").readAnswer()).endsWith("\r\n\r\nok");
        }
    }

    @Test
    void shouldAnswerPipelinedRequestsInOrder() {
        try (HttpServer server = serve("POST", exchange -> exchange.respond(200, "text/plain", exchange.body()));
                RawClient client = new RawClient(server.port())) {
            client.post("/x", "one").post("/x", "two").post("/x", "three");
            assertThat(client.readAnswer()).endsWith("one");
            assertThat(client.readAnswer()).endsWith("two");
            assertThat(client.readAnswer()).endsWith("three");
        }
    }

    @Test
    void shouldTurnAnApiErrorIntoTheResponse() {
        Handler handler = exchange -> {
            throw new ApiError(429, "RateLimitError", "slow down", "max_tokens", 7);
        };
        try (HttpServer server = serve("GET", handler);
                RawClient client = new RawClient(server.port())) {
            assertThat(client.get("/x").readAnswer())
                    .startsWith("HTTP/1.1 429 ")
                    .contains("Retry-After: 7")
                    .endsWith(
                            "{\"error\":{\"message\":\"slow down\",\"type\":\"RateLimitError\",\"param\":\"max_tokens\",\"code\":429}}");
        }
    }

    @Test
    void shouldHideAnUnexpectedFailureBehindACorrelationId() {
        Handler handler = exchange -> {
            throw new IllegalStateException("secret");
        };
        try (HttpServer server = serve("GET", handler);
                RawClient client = new RawClient(server.port())) {
            assertThat(client.get("/x").readAnswer())
                    .startsWith("HTTP/1.1 500 ")
                    .contains("the log has it under ")
                    .doesNotContain("secret");
        }
    }

    @Test
    void shouldCallAHandlerThatDoesNotAnswerABug() {
        try (HttpServer server = serve("GET", exchange -> {});
                RawClient client = new RawClient(server.port())) {
            assertThat(client.get("/x").readAnswer()).startsWith("HTTP/1.1 500 ");
        }
    }

    @Test
    void shouldStreamEventsAsTheyAreSent() throws Exception {
        BlockingQueue<String> events = new ArrayBlockingQueue<>(10);
        Handler handler = exchange -> {
            try (EventStream stream = exchange.startEvents()) {
                for (String event = events.take(); !event.isEmpty(); event = events.take()) {
                    stream.send(utf8("data: " + event + "\n\n"));
                }
            }
        };
        try (HttpServer server = serve("GET", handler);
                RawClient client = new RawClient(server.port())) {
            client.get("/x");
            assertThat(client.readUntil("\r\n\r\n"))
                    .contains("text/event-stream")
                    .contains("chunked");
            events.put("1");
            assertThat(client.readUntil("data: 1\n\n\r\n")).isNotEmpty();
            events.put("2");
            assertThat(client.readUntil("data: 2\n\n\r\n")).isNotEmpty();
            events.put("");
            assertThat(client.readUntil("0\r\n\r\n")).isEqualTo("0\r\n\r\n");
        }
    }

    @Test
    void shouldTellTheFailureOfABegunStreamAsItsLastEvent() {
        Handler handler = exchange -> {
            exchange.startEvents().send(utf8("data: 1\n\n"));
            throw ApiError.internal("the engine has died");
        };
        try (HttpServer server = serve("GET", handler);
                RawClient client = new RawClient(server.port())) {
            assertThat(client.get("/x").readUntil("\r\n0\r\n\r\n"))
                    .contains("HTTP/1.1 200 ")
                    .contains("data: 1\n\n")
                    .contains("data: {\"error\":{\"message\":\"the engine has died\"");
        }
    }

    @Test
    void shouldNoticeADisconnectWhileNothingIsWritten() throws Exception {
        CompletableFuture<Boolean> gone = new CompletableFuture<>();
        CompletableFuture<Throwable> write = new CompletableFuture<>();
        CountDownLatch begun = new CountDownLatch(1);
        Handler handler = exchange -> {
            exchange.onDisconnect(() -> gone.complete(exchange.isGone()));
            begun.countDown();
            gone.get(WAIT_S, TimeUnit.SECONDS);
            try {
                exchange.respondEmpty(200);
            } catch (ClientGoneException e) {
                write.complete(e);
                throw e;
            }
        };
        try (HttpServer server = serve("GET", handler)) {
            try (RawClient client = new RawClient(server.port())) {
                client.get("/x");
                assertThat(begun.await(WAIT_S, TimeUnit.SECONDS)).isTrue();
            }
            assertThat(gone.get(WAIT_S, TimeUnit.SECONDS)).isTrue();
            assertThat(write.get(WAIT_S, TimeUnit.SECONDS)).isInstanceOf(ClientGoneException.class);
        }
    }

    @Test
    void shouldNoticeADisconnectInASilentStreamAndRefuseFurtherWrites() throws Exception {
        CountDownLatch gone = new CountDownLatch(1);
        CompletableFuture<Throwable> write = new CompletableFuture<>();
        Handler handler = exchange -> {
            exchange.onDisconnect(gone::countDown);
            EventStream stream = exchange.startEvents();
            gone.await(WAIT_S, TimeUnit.SECONDS);
            try {
                stream.send(utf8("data: 1\n\n"));
            } catch (ClientGoneException e) {
                write.complete(e);
                throw e;
            }
        };
        try (HttpServer server = serve("GET", handler)) {
            try (RawClient client = new RawClient(server.port())) {
                client.get("/x").readUntil("\r\n\r\n");
            }
            assertThat(write.get(WAIT_S, TimeUnit.SECONDS)).isInstanceOf(ClientGoneException.class);
        }
    }

    @Test
    void shouldBlockTheWriterWhileTheClientIsSlowAndLoseNothing() throws Exception {
        int count = 20_000;
        byte[] event = utf8("data: " + "x".repeat(1000) + "\n\n");
        AtomicInteger sent = new AtomicInteger();
        Handler handler = exchange -> {
            try (EventStream stream = exchange.startEvents()) {
                for (int i = 0; i < count; i++) {
                    stream.send(event);
                    sent.incrementAndGet();
                }
            }
        };
        try (HttpServer server = serve("GET", handler);
                RawClient client = new RawClient(server.port())) {
            client.get("/x").readUntil("\r\n\r\n");
            int before = -1;
            while (before != sent.get()) { // until the writer stands still
                before = sent.get();
                new CountDownLatch(1).await(200, TimeUnit.MILLISECONDS);
            }
            assertThat(sent.get()).isLessThan(1000); // KiB: the system holds back little
            String all = client.readUntil("\r\n0\r\n\r\n");
            assertThat(all.split("data: ", -1)).hasSize(count + 1);
        }
    }

    @Test
    void shouldFreeAWriterWhoseSlowClientGoesAway() throws Exception {
        CompletableFuture<Throwable> write = new CompletableFuture<>();
        byte[] event = new byte[8192];
        Handler handler = exchange -> {
            EventStream stream = exchange.startEvents();
            try {
                while (true) {
                    stream.send(event);
                }
            } catch (ClientGoneException e) {
                write.complete(e);
                throw e;
            }
        };
        try (HttpServer server = serve("GET", handler)) {
            try (RawClient client = new RawClient(server.port())) {
                client.get("/x").readUntil("\r\n\r\n");
            }
            assertThat(write.get(WAIT_S, TimeUnit.SECONDS)).isInstanceOf(ClientGoneException.class);
        }
    }

    @Test
    void shouldGiveUpAClientThatReadsNothing() throws Exception {
        HttpLimits impatient =
                new HttpLimits(64 << 10, Duration.ofMillis(300), Duration.ofSeconds(5), Duration.ofSeconds(5));
        CompletableFuture<Throwable> write = new CompletableFuture<>();
        Handler handler = exchange -> {
            EventStream stream = exchange.startEvents();
            try {
                while (true) {
                    stream.send(new byte[8192]);
                }
            } catch (ClientGoneException e) {
                write.complete(e);
                throw e;
            }
        };
        try (HttpServer server = serve(new HttpServerConfig("127.0.0.1", 0, 1, 1000, 100, impatient), "GET", handler);
                RawClient client = new RawClient(server.port())) {
            client.get("/x");
            assertThat(write.get(WAIT_S, TimeUnit.SECONDS)).isInstanceOf(ClientGoneException.class);
        }
    }

    @Test
    void shouldRefuseMoreExchangesThanConfigured() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        Handler handler = exchange -> {
            begun.countDown();
            release.await(WAIT_S, TimeUnit.SECONDS);
            exchange.respondEmpty(204);
        };
        try (HttpServer server = serve(new HttpServerConfig("127.0.0.1", 0, 1, 1000, 1, PATIENT), "POST", handler);
                RawClient first = new RawClient(server.port());
                RawClient second = new RawClient(server.port())) {
            first.post("/x", "{}");
            assertThat(begun.await(WAIT_S, TimeUnit.SECONDS)).isTrue();
            assertThat(second.post("/x", "{}").readAnswer())
                    .startsWith("HTTP/1.1 503 ")
                    .contains("Retry-After: 1")
                    .contains("\"code\":503");
            release.countDown();
            assertThat(first.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 204 ");
        }
    }

    @Test
    void shouldNameHostAndPortWhenThePortIsInUse() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            HttpServerConfig config = new HttpServerConfig("127.0.0.1", taken.getLocalPort(), 1, 1000, 1);
            assertThatThrownBy(() -> HttpServer.start(config, List.of()))
                    .isInstanceOfSatisfying(
                            ApiException.class, e -> assertThat(e.kind()).isEqualTo(ApiException.Kind.ADDRESS_IN_USE))
                    .hasMessageContaining("127.0.0.1:" + taken.getLocalPort())
                    .hasMessageContaining("in use");
        }
    }

    @Test
    void shouldBindOnlyItsHost() throws Exception {
        try (HttpServer server = serve("GET", exchange -> exchange.respondEmpty(200));
                ServerSocket elsewhere = new ServerSocket(server.port(), 1, InetAddress.getByName("127.0.0.2"))) {
            assertThat(elsewhere.isBound()).isTrue();
        }
    }

    @Test
    void shouldServeOnSeveralEventLoops() {
        HttpServerConfig config = new HttpServerConfig("127.0.0.1", 0, 3, 1000, 100);
        try (HttpServer server = serve(config, "GET", exchange -> exchange.respondEmpty(204))) {
            for (int i = 0; i < 9; i++) {
                try (RawClient client = new RawClient(server.port())) {
                    assertThat(client.get("/x").readUntil("\r\n\r\n")).startsWith("HTTP/1.1 204 ");
                }
            }
        }
    }

    @Test
    void shouldLetExchangesEndBeforeItCloses() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch release = new CountDownLatch(1);
        Handler handler = exchange -> {
            begun.countDown();
            release.await(WAIT_S, TimeUnit.SECONDS);
            exchange.respond(200, "text/plain", utf8("done"));
        };
        HttpServer server = serve("GET", handler);
        try (RawClient client = new RawClient(server.port());
                RawClient idle = new RawClient(server.port())) {
            client.get("/x");
            assertThat(begun.await(WAIT_S, TimeUnit.SECONDS)).isTrue();
            Thread closing = Thread.ofVirtual().start(server::close);
            assertThat(idle.readAll()).isEmpty();
            release.countDown();
            assertThat(client.readAnswer()).endsWith("done");
            assertThat(client.readAll()).isEmpty();
            assertThat(closing.join(Duration.ofSeconds(WAIT_S))).isTrue();
        }
    }

    /** Vert.x takes connections to its end and then has nobody to serve them. */
    @Test
    void shouldAcceptNoConnectionWhileItLetsExchangesEnd() throws Exception {
        for (String host : List.of("127.0.0.1", "0.0.0.0", "::")) {
            CountDownLatch begun = new CountDownLatch(1);
            CountDownLatch release = new CountDownLatch(1);
            Handler handler = exchange -> {
                begun.countDown();
                release.await(WAIT_S, TimeUnit.SECONDS);
                exchange.respond(200, "text/plain", utf8("done"));
            };
            HttpServer server = serve(new HttpServerConfig(host, 0, 2, 1000, 100, PATIENT), "GET", handler);
            try (RawClient client = new RawClient(server.port());
                    RawClient idle = new RawClient(server.port())) {
                client.get("/x");
                assertThat(begun.await(WAIT_S, TimeUnit.SECONDS)).isTrue();
                Thread closing = Thread.ofVirtual().start(server::close);
                assertThat(idle.readAll()).isEmpty();
                assertThatThrownBy(() -> new RawClient(server.port()).close())
                        .isInstanceOf(UncheckedIOException.class)
                        .hasCauseInstanceOf(ConnectException.class);
                release.countDown();
                assertThat(client.readAnswer()).endsWith("done");
                assertThat(closing.join(Duration.ofSeconds(WAIT_S))).isTrue();
            }
        }
    }

    /** Handlers that neither end nor wait hold a carrier of virtual threads each, as native code does. */
    @Test
    void shouldTellItsStateWhileHandlersHoldAllCarriers() throws Exception {
        int carriers = Runtime.getRuntime().availableProcessors();
        var held = new CountDownLatch(carriers);
        var isOver = new AtomicBoolean();
        Handler busy = exchange -> {
            held.countDown();
            while (!isOver.get()) {
                Thread.onSpinWait();
            }
            exchange.respondEmpty(200);
        };
        var routes = List.of(
                new BlockingRoute("GET", "/busy", busy),
                BlockingRoute.status("GET", "/health", exchange -> exchange.respond(200, "text/plain", utf8("well"))));
        var config = new HttpServerConfig("127.0.0.1", 0, 1, 1000, 100, PATIENT);
        List<RawClient> clients = new ArrayList<>();
        try (HttpServer server = HttpServer.start(config, routes);
                RawClient probe = new RawClient(server.port())) {
            for (int i = 0; i < 2 * carriers; i++) {
                clients.add(new RawClient(server.port()).get("/busy"));
            }
            held.await();
            assertThat(probe.get("/health").readAnswer()).endsWith("\r\n\r\nwell");
            isOver.set(true);
            for (RawClient client : clients) {
                assertThat(client.readUntil("\r\n\r\n")).startsWith("HTTP/1.1 200 ");
                client.close();
            }
        } finally {
            isOver.set(true);
        }
    }
}
