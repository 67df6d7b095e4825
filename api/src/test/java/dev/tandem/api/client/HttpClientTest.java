package dev.tandem.api.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.Handler;
import dev.tandem.api.server.HttpServer;
import dev.tandem.api.server.HttpServerConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HttpClientTest {
    private static final Queue<Socket> CLOSED = new ConcurrentLinkedQueue<>(); // open until this JVM ends
    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final String OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    private static final String EVENTS =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

    private final RawServer server = new RawServer();
    private final HttpClient client = HttpClient.start(HttpClientConfig.DEFAULT);

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    private CompletableFuture<HttpReply> sendAsync(HttpCall call) {
        return sendAsync(call, DEADLINE);
    }

    private CompletableFuture<HttpReply> sendAsync(HttpCall call, Duration deadline) {
        CompletableFuture<HttpReply> reply = new CompletableFuture<>();
        Thread.ofVirtual().start(() -> {
            try {
                reply.complete(client.send(call, deadline));
            } catch (Throwable e) {
                reply.completeExceptionally(e);
            }
        });
        return reply;
    }

    private static ApiException.Kind failureOf(CompletableFuture<?> future) {
        try {
            future.get(20, TimeUnit.SECONDS);
            throw new AssertionError("it did not fail");
        } catch (java.util.concurrent.ExecutionException e) {
            return ((ApiException) e.getCause()).kind();
        } catch (InterruptedException | java.util.concurrent.TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    /** A port that refuses connections: it is bound, so nobody else is given it, and not listened on. */
    private static int closedPort() {
        try {
            var socket = new Socket();
            socket.bind(new InetSocketAddress("127.0.0.1", 0));
            CLOSED.add(socket);
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void shouldSendHeadersAndBodyAndGiveTheAnswer() throws Exception {
        byte[] body = "{\"é\":1}".getBytes(StandardCharsets.UTF_8);
        CompletableFuture<HttpReply> reply =
                sendAsync(HttpCall.postJson(server.address(), "/v1/x?y=1", body).withHeader("X-Request-Id", "abc"));
        RawServer.Connection connection = server.accept();
        assertThat(connection.readRequest())
                .startsWith("POST /v1/x?y=1 HTTP/1.1\r\n")
                .containsIgnoringCase("host: " + server.address().authority() + "\r\n")
                .contains("X-Request-Id: abc\r\n")
                .endsWith("\r\n\r\n{\"é\":1}");
        connection.send(
                "HTTP/1.1 201 Created\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
        HttpReply answer = reply.get(20, TimeUnit.SECONDS);
        assertThat(answer.status()).isEqualTo(201);
        assertThat(answer.header("x-a")).contains("b");
        assertThat(answer.text()).isEqualTo("abcd");
    }

    @Test
    void shouldUseAKeptConnectionAgain() throws Exception {
        CompletableFuture<HttpReply> first = sendAsync(HttpCall.get(server.address(), "/1"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        connection.send(OK);
        first.get(20, TimeUnit.SECONDS);
        CompletableFuture<HttpReply> second = sendAsync(HttpCall.get(server.address(), "/2"));
        assertThat(connection.readRequest()).startsWith("GET /2 ");
        connection.send(OK);
        assertThat(second.get(20, TimeUnit.SECONDS).text()).isEqualTo("ok");
        assertThat(server.waiting()).isZero();
    }

    @Test
    void shouldSendAgainWhenAKeptConnectionTurnsOutToBeStale() throws Exception {
        CompletableFuture<HttpReply> first = sendAsync(HttpCall.get(server.address(), "/1"));
        RawServer.Connection stale = server.accept();
        stale.readRequest();
        stale.send(OK);
        first.get(20, TimeUnit.SECONDS);
        CompletableFuture<HttpReply> second = sendAsync(HttpCall.get(server.address(), "/2"));
        stale.readRequest();
        stale.reset();
        RawServer.Connection fresh = server.accept();
        assertThat(fresh.readRequest()).startsWith("GET /2 ");
        fresh.send(OK);
        assertThat(second.get(20, TimeUnit.SECONDS).text()).isEqualTo("ok");
    }

    /** The server had read the first before the connection broke, and still serves it: that is not what the caller did wrong. */
    @Test
    void shouldNotTakeTheRefusalOfARepeatedRequestForItsAnswer() throws Exception {
        CompletableFuture<HttpReply> first = sendAsync(HttpCall.get(server.address(), "/1"));
        RawServer.Connection stale = server.accept();
        stale.readRequest();
        stale.send(OK);
        first.get(20, TimeUnit.SECONDS);
        CompletableFuture<HttpReply> second = sendAsync(HttpCall.get(server.address(), "/2"));
        stale.readRequest();
        stale.reset();
        RawServer.Connection fresh = server.accept();
        fresh.readRequest();
        fresh.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 6\r\n\r\nin use");
        assertThat(failureOf(second)).isEqualTo(ApiException.Kind.CLOSED);
    }

    @Test
    void shouldNotSendAgainOnAFreshConnection() throws Exception {
        CompletableFuture<HttpReply> reply = sendAsync(HttpCall.get(server.address(), "/1"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        connection.close();
        assertThat(failureOf(reply)).isEqualTo(ApiException.Kind.CLOSED);
        assertThat(server.waiting()).isZero();
    }

    @Test
    void shouldNotSendAgainOnceTheAnswerHasBegun() throws Exception {
        CompletableFuture<HttpReply> first = sendAsync(HttpCall.get(server.address(), "/1"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        connection.send(OK);
        first.get(20, TimeUnit.SECONDS);
        CompletableFuture<HttpReply> second = sendAsync(HttpCall.get(server.address(), "/2"));
        connection.readRequest();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        connection.close();
        assertThat(failureOf(second)).isEqualTo(ApiException.Kind.CLOSED);
        assertThat(server.waiting()).isZero();
    }

    @Test
    void shouldSayThatNothingWasSentWhenNobodyListens() throws Exception {
        HttpAddress nobody = new HttpAddress("127.0.0.1", closedPort());
        assertThatThrownBy(() -> client.send(HttpCall.get(nobody, "/"), DEADLINE))
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.kind()).isEqualTo(ApiException.Kind.CONNECT))
                .hasMessageContaining(nobody.authority());
    }

    @Test
    void shouldCloseTheExchangeAtTheServerWhenCancelledBeforeTheAnswer() throws Exception {
        ClientExchange exchange = client.start(HttpCall.get(server.address(), "/long"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        exchange.cancel();
        assertThat(connection.readsEnd()).isTrue();
        assertThatThrownBy(exchange::head)
                .isInstanceOfSatisfying(
                        ApiException.class, e -> assertThat(e.kind()).isEqualTo(ApiException.Kind.CANCELLED));
    }

    @Test
    void shouldCloseTheExchangeAtTheServerWhenCancelledInMidStream() throws Exception {
        ClientExchange exchange = client.start(HttpCall.get(server.address(), "/stream"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        assertThat(exchange.head().status()).isEqualTo(200);
        assertThat(exchange.next())
                .hasValueSatisfying(chunk -> assertThat(chunk).hasSize(3));
        exchange.cancel();
        assertThat(connection.readsEnd()).isTrue();
    }

    @Test
    void shouldGiveChunksAsTheyComeAndThenTheEnd() throws Exception {
        ClientExchange exchange = client.start(HttpCall.get(server.address(), "/stream"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        assertThat(exchange.head().status()).isEqualTo(200);
        for (int i = 0; i < 3; i++) {
            connection.send("1\r\n" + i + "\r\n");
            assertThat(exchange.next()).hasValue(Integer.toString(i).getBytes(StandardCharsets.UTF_8));
        }
        connection.send("0\r\n\r\n");
        assertThat(exchange.next()).isEmpty();
    }

    @Test
    void shouldEndAtTheDeadlineAndCloseTheExchange() throws Exception {
        CompletableFuture<HttpReply> reply = sendAsync(HttpCall.get(server.address(), "/long"), Duration.ofMillis(200));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        assertThat(failureOf(reply)).isEqualTo(ApiException.Kind.TIMEOUT);
        assertThat(connection.readsEnd()).isTrue();
    }

    @Test
    void shouldGiveUpAServerThatStaysSilent() throws Exception {
        HttpClientConfig impatient = HttpClientConfig.DEFAULT.withSilence(Duration.ofMillis(300), DEADLINE);
        try (HttpClient other = HttpClient.start(impatient)) {
            ClientExchange exchange = other.start(HttpCall.get(server.address(), "/long"));
            RawServer.Connection connection = server.accept();
            connection.readRequest();
            assertThatThrownBy(exchange::head)
                    .isInstanceOfSatisfying(
                            ApiException.class, e -> assertThat(e.kind()).isEqualTo(ApiException.Kind.TIMEOUT));
            assertThat(connection.readsEnd()).isTrue();
        }
    }

    @Test
    void shouldNotTakeTheHeadOfAStreamForItsFirstByte() throws Exception {
        HttpClientConfig impatient = HttpClientConfig.DEFAULT.withSilence(Duration.ofSeconds(2), Duration.ofDays(1));
        try (HttpClient other = HttpClient.start(impatient)) {
            ClientExchange exchange = other.start(HttpCall.get(server.address(), "/long"));
            RawServer.Connection connection = server.accept();
            connection.readRequest();
            connection.send(EVENTS);
            assertThat(exchange.head().status()).isEqualTo(200);
            assertThatThrownBy(exchange::next).hasMessageContaining("sent nothing for 2000 ms");
            assertThat(connection.readsEnd()).isTrue();
        }
    }

    @Test
    void shouldGiveUpAServerThatFallsSilentInsideItsAnswer() throws Exception {
        HttpClientConfig impatient = HttpClientConfig.DEFAULT.withSilence(DEADLINE, Duration.ofMillis(300));
        for (String begun : new String[] {
            EVENTS + "3\r\nabc\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        }) {
            try (HttpClient other = HttpClient.start(impatient)) {
                CompletableFuture<HttpReply> reply = new CompletableFuture<>();
                Thread.ofVirtual().start(() -> {
                    try {
                        reply.complete(other.send(HttpCall.get(server.address(), "/long"), DEADLINE));
                    } catch (Throwable e) {
                        reply.completeExceptionally(e);
                    }
                });
                RawServer.Connection connection = server.accept();
                connection.readRequest();
                connection.send(begun);
                assertThatThrownBy(reply::join).hasMessageContaining("sent nothing for 300 ms");
                assertThat(connection.readsEnd()).isTrue();
            }
        }
    }

    @Test
    void shouldCallGarbageAProtocolFailure() throws Exception {
        CompletableFuture<HttpReply> reply = sendAsync(HttpCall.get(server.address(), "/"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        connection.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
        assertThat(failureOf(reply)).isEqualTo(ApiException.Kind.PROTOCOL);
    }

    @Test
    void shouldRefuseAnAnswerAboveTheBound() throws Exception {
        HttpClientConfig small = new HttpClientConfig(
                Duration.ofSeconds(2), Duration.ofSeconds(20), Duration.ofSeconds(20), Duration.ofSeconds(4), 4, 1000);
        try (HttpClient other = HttpClient.start(small)) {
            ClientExchange exchange = other.start(HttpCall.get(server.address(), "/"));
            RawServer.Connection connection = server.accept();
            connection.readRequest();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + "x".repeat(1001));
            assertThatThrownBy(() -> exchange.reply(DEADLINE)).hasMessageContaining("exceeds 1000 bytes");
        }
    }

    @Test
    void shouldCancelWhenTheWaitingThreadIsInterrupted() throws Exception {
        CompletableFuture<Throwable> failure = new CompletableFuture<>();
        Thread waiting = Thread.ofVirtual().start(() -> {
            try {
                client.send(HttpCall.get(server.address(), "/long"), DEADLINE);
            } catch (Throwable e) {
                failure.complete(e);
            }
        });
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        waiting.interrupt();
        assertThat(connection.readsEnd()).isTrue();
        assertThat(failure.get(20, TimeUnit.SECONDS)).isInstanceOf(ApiException.class);
    }

    @Test
    void shouldHoldBackAServerThatIsFasterThanItsReader() throws Exception {
        int pieces = 4000;
        ClientExchange exchange = client.start(HttpCall.get(server.address(), "/fast"));
        RawServer.Connection connection = server.accept();
        connection.readRequest();
        Thread writer = Thread.ofVirtual().start(() -> {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + pieces * 8192 + "\r\n\r\n");
            for (int i = 0; i < pieces; i++) {
                connection.send("x".repeat(8192));
            }
        });
        assertThat(exchange.head().status()).isEqualTo(200);
        assertThat(writer.join(Duration.ofMillis(500))).isFalse(); // 32 MiB do not fit into the queue and the sockets
        assertThat(exchange.reply(DEADLINE).body()).hasSize(pieces * 8192);
    }

    @Test
    void shouldReachAServerOnIpv6AndNameItWithBrackets() throws Exception {
        HttpServerConfig config = new HttpServerConfig("::1", 0, 1, 1000, 10);
        Handler echo = exchange -> exchange.respond(
                200, "text/plain", exchange.header("Host").orElse("none").getBytes(StandardCharsets.UTF_8));
        try (HttpServer ipv6 = HttpServer.start(config, java.util.List.of(new BlockingRoute("GET", "/", echo)))) {
            HttpAddress address = new HttpAddress("[::1]", ipv6.port());
            assertThat(client.send(HttpCall.get(address, "/"), DEADLINE).text()).isEqualTo("[::1]:" + ipv6.port());
        }
    }
}
