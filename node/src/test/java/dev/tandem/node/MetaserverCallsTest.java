package dev.tandem.node;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.access.ServerTls;
import dev.tandem.api.access.TestAuthority;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.HttpServer;
import dev.tandem.api.server.HttpServerConfig;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ObjectNode;

/** Invitations over real HTTP, to a metaserver that the test plays. */
@Timeout(60)
class MetaserverCallsTest {
    private static final Duration SILENCE = Duration.ofSeconds(10);

    private final BlockingQueue<ObjectNode> posts = new LinkedBlockingQueue<>();
    private final CountDownLatch answersSlowly = new CountDownLatch(1);
    private final Semaphore questions = new Semaphore(0); // for its health
    private final HttpServer server = HttpServer.start(
            new HttpServerConfig("127.0.0.1", 0, 1, 1 << 20, 16),
            List.of(
                    new BlockingRoute("POST", "/v1/metaserver", exchange -> {
                        posts.add(exchange.json());
                        exchange.respondJson(200, exchange.json());
                    }),
                    new BlockingRoute("GET", "/health", exchange -> {
                        questions.release();
                        exchange.respondEmpty(503);
                    }),
                    new BlockingRoute("POST", "/refusing", exchange -> {
                        throw new ApiError(502, "BadGateway", "prefill failed", null, -1);
                    }),
                    new BlockingRoute(
                            "POST",
                            "/forging",
                            exchange -> exchange.respond(
                                    500,
                                    "text/plain",
                                    ("a\n2026 ERROR b\u001b[31m" + "c".repeat(10_000)).getBytes(UTF_8))),
                    new BlockingRoute("POST", "/slow", exchange -> {
                        try {
                            answersSlowly.await();
                        } finally {
                            exchange.respondEmpty(200);
                        }
                    })));
    private final MetaserverCalls calls = calls(TlsFiles.NONE);

    private static MetaserverCalls calls(Duration silence) {
        return new MetaserverCalls(1, Duration.ofSeconds(20), silence, TlsFiles.NONE, PeerTrust.everybody());
    }

    private static MetaserverCalls calls(TlsFiles tls) {
        return new MetaserverCalls(1, Duration.ofSeconds(20), SILENCE, tls, PeerTrust.everybody());
    }

    @AfterEach
    void close() {
        answersSlowly.countDown();
        calls.close();
        server.close();
    }

    @Test
    void shouldPostTheInvitationAsJson() throws Exception {
        assertThat(send("/v1/metaserver", Duration.ofSeconds(20)).get()).isEmpty();
        ObjectNode post = posts.take();
        assertThat(post.path("request_id").asString()).isEqualTo("cmpl-7-0");
        assertThat(post.path("do_remote_decode").asBoolean()).isTrue();
        assertThat(post.path("remote_block_ids").get(1).asLong()).isEqualTo(1L << 29);
    }

    @Test
    void shouldReportWhatTheMetaserverSaid() throws Exception {
        assertThat(send("/refusing", Duration.ofSeconds(20)).get().orElseThrow())
                .isEqualTo("status 502: prefill failed");
        assertThat(send("/nowhere", Duration.ofSeconds(20)).get().orElseThrow()).startsWith("status 404");
    }

    @Test
    void shouldShowAForeignTextAsOneShortLine() throws Exception {
        assertThat(send("/forging", Duration.ofSeconds(20)).get().orElseThrow())
                .startsWith("status 500: a\\n2026 ERROR b\\u001b[31mccc")
                .hasSizeLessThan(400);
    }

    @Test
    void shouldTryAgainWhereNobodyListensAndThenGiveUp() throws Exception {
        try (var closed = new Socket()) { // bound and not listened on: nobody else is given its port
            closed.bind(new InetSocketAddress("127.0.0.1", 0));
            assertThat(sendTo("http://127.0.0.1:" + closed.getLocalPort() + "/v1/metaserver", Duration.ofSeconds(20))
                            .get()
                            .orElseThrow())
                    .startsWith("CONNECT after 3 tries");
        }
    }

    @Test
    void shouldNotAskTwiceWhatMayHaveArrived() throws Exception {
        assertThat(send("/slow", Duration.ofMillis(200)).get().orElseThrow()).startsWith("TIMEOUT after 1 tries");
    }

    /** A stopped process still has its connections taken, by the system. */
    @Test
    void shouldGiveUpAMetaserverThatStandsStill() throws Exception {
        try (var stopped = new ServerSocket(0, 9, InetAddress.getLoopbackAddress());
                var impatient = calls(Duration.ofMillis(500))) {
            String url = "http://127.0.0.1:" + stopped.getLocalPort() + "/v1/metaserver";
            assertThat(sendTo(impatient, url).get().orElseThrow()).contains("hangs: no answer to any question");
        }
    }

    @Test
    void shouldWaitForAMetaserverThatAnswersOtherQuestions() throws Exception {
        try (var impatient = calls(Duration.ofSeconds(2))) {
            var slow = sendTo(impatient, "http://127.0.0.1:" + server.port() + "/slow");
            assertThat(questions.tryAcquire(8, 20, TimeUnit.SECONDS)).isTrue(); // more than two seconds hold
            assertThat(slow).isNotDone();
            answersSlowly.countDown();
            assertThat(slow.orTimeout(20, TimeUnit.SECONDS).join()).isEmpty();
        }
    }

    @Test
    void shouldRefuseMoreThanItMayHaveUnderWay() throws IOException {
        var slow = send("/slow", Duration.ofSeconds(20));
        assertThat(send("/v1/metaserver", Duration.ofSeconds(20)).join().orElseThrow())
                .contains("as many invitations");
        answersSlowly.countDown();
        assertThat(slow.orTimeout(20, TimeUnit.SECONDS).join()).isEmpty();
    }

    @Test
    void shouldHaveRoomForTheNextAsSoonAsOneIsCalledOff() throws Exception {
        var left = new CompletableFuture<Optional<String>>();
        Runnable callOff = calls.send(
                new Invitation(
                        "http://127.0.0.1:" + server.port() + "/slow",
                        Map.of("request_id", "cmpl-7-0"),
                        Duration.ofSeconds(20)),
                left::complete);

        callOff.run();
        callOff.run();

        assertThat(send("/v1/metaserver", Duration.ofSeconds(20)).get()).isEmpty();
        assertThat(left.orTimeout(20, TimeUnit.SECONDS).join().orElseThrow()).contains("CANCELLED");
        var slow = send("/slow", Duration.ofSeconds(20));
        assertThat(send("/v1/metaserver", Duration.ofSeconds(20)).join().orElseThrow())
                .as("its place was given back once")
                .contains("as many invitations");
        answersSlowly.countDown();
        assertThat(slow.orTimeout(20, TimeUnit.SECONDS).join()).isEmpty();
    }

    @Test
    void shouldShowItsCertificateToAMetaserverThatItTrusts(@TempDir Path folder) throws Exception {
        var authority = new TestAuthority("own");
        TlsFiles own = authority.issue(folder, "node", "127.0.0.2");
        TlsFiles ofGateway = authority.issue(folder, "gateway", "127.0.0.1");
        TlsFiles foreign = new TestAuthority("other").issue(folder, "foreign", "127.0.0.1");
        var access = new ServerAccess(
                ApiKeyRules.NONE, Optional.of(new ServerTls(ofGateway, ServerTls.ClientCertificates.REQUIRED)));
        try (HttpServer secure = HttpServer.start(
                        new HttpServerConfig("127.0.0.1", 0, 1, 1 << 20, 16),
                        access,
                        List.of(new BlockingRoute("POST", "/v1/metaserver", exchange -> exchange.respondEmpty(200))));
                var known = calls(own);
                var unknown = calls(new TlsFiles(Optional.empty(), Optional.empty(), own.authorities()));
                var distrusting = calls(foreign)) {
            String url = "https://127.0.0.1:" + secure.port() + "/v1/metaserver";
            assertThat(sendTo(known, url).get()).isEmpty();
            assertThat(sendTo(unknown, url).get()).isPresent();
            assertThat(sendTo(distrusting, url).get().orElseThrow())
                    .contains("unable to find valid certification path");
            assertThat(sendTo(known, url.replace("127.0.0.1", "localhost"))
                            .get()
                            .orElseThrow())
                    .contains("localhost found");
        }
    }

    private static CompletableFuture<Optional<String>> sendTo(MetaserverCalls calls, String url) {
        var answer = new CompletableFuture<Optional<String>>();
        calls.send(new Invitation(url, Map.of("request_id", "x"), Duration.ofSeconds(20)), answer::complete);
        return answer;
    }

    @Test
    void shouldNotBelieveAMetaserverThatDoesNotKnowTheSecret() throws Exception {
        var secret = new PeerTrust(ClusterSecret.of("the cluster's secret"), AddressList.empty());
        try (var strict = new MetaserverCalls(1, Duration.ofSeconds(20), SILENCE, TlsFiles.NONE, secret)) {
            var answer = new CompletableFuture<Optional<String>>();
            strict.send(
                    new Invitation(
                            "http://127.0.0.1:" + server.port() + "/v1/metaserver",
                            Map.of("request_id", "cmpl-7-0"),
                            Duration.ofSeconds(20)),
                    answer::complete);
            assertThat(answer.get().orElseThrow()).contains("gives no proof of the cluster secret on the metaserver");
            assertThat(sendTo(strict, "http://127.0.0.1:" + server.port() + "/refusing")
                            .get()
                            .orElseThrow())
                    .contains("gives no proof")
                    .endsWith("; it says, unproven: prefill failed");
        }
    }

    private CompletableFuture<Optional<String>> send(String path, Duration timeout) {
        return sendTo("http://127.0.0.1:" + server.port() + path, timeout);
    }

    private CompletableFuture<Optional<String>> sendTo(String url, Duration timeout) {
        Map<String, Object> params =
                Map.of("request_id", "cmpl-7-0", "do_remote_decode", true, "remote_block_ids", List.of(1, 1 << 29));
        var answer = new CompletableFuture<Optional<String>>();
        calls.send(new Invitation(url, params, timeout), answer::complete);
        return answer;
    }
}
