package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Heads and bodies as RFC 9110 and RFC 9112 have them, and what becomes of others: an answer, then the end of the connection. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HttpHeadTest {
    private static final String CHUNKED = "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

    private final HttpServer server = HttpServer.start(
            new HttpServerConfig(
                    "127.0.0.1",
                    0,
                    1,
                    1000,
                    100,
                    HttpLimits.DEFAULT,
                    new ConnectionLimits(100, Duration.ofMillis(300), Duration.ofMillis(300))),
            List.of(new BlockingRoute("POST", "/x", exchange -> exchange.respond(200, "text/plain", exchange.body()))));

    @AfterEach
    void close() {
        server.close();
    }

    private String all(String request) {
        try (RawClient client = new RawClient(server.port())) {
            return client.send(request).readAll();
        }
    }

    private static void assertRefused(String answer, int status) {
        assertThat(answer)
                .startsWith("HTTP/1.1 " + status + " ")
                .containsIgnoringCase("Connection: close")
                .containsIgnoringCase("Content-Type: application/json")
                .endsWith("\"code\":" + status + "}}");
    }

    @ParameterizedTest
    @CsvSource({
        "400, ''",
        "400, 'Host: a\r\nHost: a\r\n'",
        "400, 'Host: x\r\nHost : x\r\n'",
        "400, 'Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n'",
        "400, 'Host: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n'",
        "400, 'Host: x\r\nContent-Length: -2\r\n'",
        "400, 'Host: x\r\nContent-Length: 2a\r\n'",
        "501, 'Host: x\r\nTransfer-Encoding: gzip, chunked\r\n'",
        "501, 'Host: x\r\nTransfer-Encoding: xchunked\r\n'",
        "417, 'Host: x\r\nExpect: a-miracle\r\nContent-Length: 2\r\n'",
        "415, 'Host: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n'",
        "415, 'Host: x\r\nContent-Type: application/json; charset=\"utf-16\"\r\nContent-Length: 2\r\n'",
    })
    void shouldAnswerAHeadThatItRefusesAndClose(int status, String headers) {
        assertRefused(all("POST /x HTTP/1.1\r\n" + headers + "\r\n{}"), status);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Host: x\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Encoding: identity\r\n",
                "Host:\r\nExpect: 100-Continue\r\n"
            })
    void shouldTakeAHeadThatIsRight(String headers) {
        try (RawClient client = new RawClient(server.port())) {
            client.send("POST /x HTTP/1.1\r\n" + headers + "Content-Length: 2\r\n\r\nok");
            assertThat(client.readUntil("\r\n\r\nok")).contains("HTTP/1.1 200 ");
        }
    }

    @Test
    void shouldServeHttpOneZeroWithoutHost() {
        assertThat(all("POST /x HTTP/1.0\r\nContent-Length: 2\r\n\r\nok"))
                .startsWith("HTTP/1.0 200 ")
                .endsWith("\r\n\r\nok");
    }

    @ParameterizedTest
    @ValueSource(strings = {"zz\r\nabc\r\n0\r\n\r\n", "-1\r\na\r\n", "fffffffffffffffff\r\na\r\n", "1\r\na\r\n;x\r\n"})
    void shouldAnswerAChunkOfNoSizeAndClose(String body) {
        assertRefused(all(CHUNKED + body), 400);
        assertThat(server.activeExchanges()).isZero();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "2;a\r\nok\r\n0\r\n\r\n",
                "2;a=\"b;c\";d\r\nok\r\n0;last\r\n\r\n",
                "2\r\nok\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"
            })
    void shouldReadPastExtensionsAndTrailersOfChunks(String body) {
        try (RawClient client = new RawClient(server.port())) {
            client.send(CHUNKED + body);
            assertThat(client.readAnswer()).startsWith("HTTP/1.1 200 ").endsWith("\r\n\r\nok");
            assertThat(client.post("/x", "again").readAnswer()).endsWith("\r\n\r\nagain");
        }
    }

    @Test
    void shouldTakeNoBytesBehindARefusalForARequest() {
        String answer = all("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
                + "0\r\n\r\nPOST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assertThat(answer).startsWith("HTTP/1.1 400 ").doesNotContain("HTTP/1.1 200");
    }

    @Test
    void shouldAnswerHalfAHeadThatGoesNoFurther() {
        assertRefused(all("POST /x HTTP/1.1\r\nHost: x\r\nX-Slow: "), 408);
    }

    @Test
    void shouldAnswerHalfAHeadOnAConnectionThatHasServed() {
        try (RawClient client = new RawClient(server.port())) {
            assertThat(client.post("/x", "ok").readAnswer()).endsWith("ok");
            assertRefused(client.send("POST /x").readAll(), 408);
        }
    }

    @Test
    void shouldCloseConnectionsThatStaySilent() {
        try (RawClient fresh = new RawClient(server.port());
                RawClient served = new RawClient(server.port())) {
            assertThat(served.post("/x", "ok").readAnswer()).endsWith("ok");
            assertThat(served.readAll()).isEmpty();
            assertThat(fresh.readAll()).isEmpty();
        }
    }

    @Test
    void shouldNotCloseAConnectionWhoseAnswerTakesItsTime() {
        byte[] answer = "late".getBytes(StandardCharsets.UTF_8);
        var route = LoopRoute.callback(
                "POST",
                "/slow",
                exchange -> exchange.later(Duration.ofSeconds(2), () -> exchange.respond(200, "text/plain", answer)));
        var config = new HttpServerConfig(
                "127.0.0.1",
                0,
                1,
                1000,
                100,
                HttpLimits.DEFAULT,
                new ConnectionLimits(100, Duration.ofMillis(100), Duration.ofMillis(100)));
        try (HttpServer slow = HttpServer.start(config, List.of(route));
                RawClient client = new RawClient(slow.port())) {
            assertThat(client.post("/slow", "").readAnswer()).endsWith("late");
        }
    }
}
