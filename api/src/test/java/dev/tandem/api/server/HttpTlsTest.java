package dev.tandem.api.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.access.ApiKeyRules;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.access.ServerTls;
import dev.tandem.api.access.ServerTls.ClientCertificates;
import dev.tandem.api.access.TestAuthority;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.api.access.TlsMaterial;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.counter.Counters;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** HTTPS with certificates that are made here. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HttpTlsTest {
    private static final Duration DEADLINE = Duration.ofSeconds(20);
    private static final HttpServerConfig CONFIG = new HttpServerConfig("127.0.0.1", 0, 2, 100_000, 100);

    @TempDir
    private Path folder;

    private final TestAuthority authority = new TestAuthority("own");
    private final TestAuthority stranger = new TestAuthority("other");
    private TlsFiles serverFiles;
    private final Counters<HttpCounter> counters = new Counters<>(HttpCounter.class);
    private HttpServer server;

    @BeforeEach
    void issue() {
        serverFiles = authority.issue(folder, "server", "127.0.0.1", "localhost");
    }

    @AfterEach
    void close() {
        if (server != null) {
            server.close();
        }
    }

    private void serve(TlsFiles files, ClientCertificates clients) {
        serve(CONFIG, files, clients);
    }

    private void serve(HttpServerConfig config, TlsFiles files, ClientCertificates clients) {
        Handler echo = exchange -> exchange.respond(200, "text/plain", exchange.body());
        server = HttpServer.start(
                config,
                new ServerAccess(ApiKeyRules.NONE, Optional.of(new ServerTls(files, clients))),
                counters,
                List.of(new BlockingRoute("POST", "/x", echo)));
    }

    /** Clients that begin no handshake. */
    private List<RawClient> silent(int count) {
        return IntStream.range(0, count)
                .mapToObj(each -> new RawClient(server.port()))
                .toList();
    }

    private String post(TlsFiles client, String host, String body) {
        try (HttpClient http = HttpClient.start(HttpClientConfig.DEFAULT, client)) {
            return post(http, host, body);
        }
    }

    private String post(HttpClient http, String host, String body) {
        var address = new HttpAddress(host, server.port(), true);
        return http.send(HttpCall.postJson(address, "/x", body.getBytes(StandardCharsets.UTF_8)), DEADLINE)
                .text();
    }

    private TlsFiles trustOnly(TestAuthority trusted) {
        return new TlsFiles(Optional.empty(), Optional.empty(), Optional.of(trusted.trust(folder)));
    }

    private void assertRefused(TlsFiles client, String host) {
        assertThatThrownBy(() -> post(client, host, "{}")).isInstanceOf(ApiException.class);
    }

    @Test
    void shouldSpeakTlsInBothDirections() {
        serve(serverFiles, ClientCertificates.NOT_ASKED);
        String large = "x".repeat(90_000);
        assertThat(post(trustOnly(authority), "127.0.0.1", large)).isEqualTo(large);
        assertThat(post(trustOnly(authority), "localhost", "a")).isEqualTo("a");
    }

    @Test
    void shouldNotLetClientsThatBeginNoHandshakeHoldOthersUp() throws IOException {
        serve(serverFiles, ClientCertificates.NOT_ASKED);
        List<RawClient> silent = silent(100);
        assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
        for (RawClient client : silent) { // none had to make room for it
            client.socket.setSoTimeout(1);
            assertThatThrownBy(() -> client.socket.getInputStream().read()).isInstanceOf(SocketTimeoutException.class);
        }
        silent.forEach(RawClient::close);
    }

    @Test
    void shouldCountThemAmongAllConnections() {
        var few = new HttpServerConfig("127.0.0.1", 0, 1, 100_000, 100, CONFIG.limits(), ConnectionLimits.of(16));
        serve(few, serverFiles, ClientCertificates.NOT_ASKED);
        List<RawClient> silent = silent(100);
        assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
        assertThat(counters.value(HttpCounter.CONNECTIONS_EVICTED)).isGreaterThanOrEqualTo(100 - 16);
        silent.forEach(RawClient::close);
    }

    @Test
    void shouldTakeAKeyOfOlderForm() {
        serve(authority.issueRsa(folder, "rsa", "127.0.0.1"), ClientCertificates.NOT_ASKED);
        assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
    }

    @Test
    void shouldTakeKeyAndCertificateInOneFile() throws IOException {
        Path both = Files.writeString(
                folder.resolve("both.pem"),
                Files.readString(serverFiles.certificate().orElseThrow())
                        + Files.readString(serverFiles.key().orElseThrow()));
        serve(new TlsFiles(Optional.empty(), Optional.of(both), Optional.empty()), ClientCertificates.NOT_ASKED);
        assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
    }

    @Test
    void shouldNotBelieveAServerOfAnotherNameOrAuthority() {
        serve(authority.issue(folder, "server", "192.0.2.1", "elsewhere"), ClientCertificates.NOT_ASKED);
        assertThatThrownBy(() -> post(trustOnly(authority), "127.0.0.1", "a"))
                .isInstanceOf(ApiException.class)
                .hasMessageContaining("https://127.0.0.1")
                .hasMessageContaining("127.0.0.1 found");
        assertRefused(trustOnly(authority), "localhost");
        server.close();
        serve(serverFiles, ClientCertificates.NOT_ASKED);
        assertRefused(trustOnly(stranger), "127.0.0.1");
        assertRefused(TlsFiles.NONE, "127.0.0.1");
    }

    @ParameterizedTest
    @EnumSource(ClientCertificates.class)
    void shouldAskClientsForCertificatesAsItIsTold(ClientCertificates clients) {
        serve(serverFiles, clients);
        assertThat(post(authority.issue(folder, "client", "c"), "127.0.0.1", "a"))
                .isEqualTo("a");
        if (clients == ClientCertificates.REQUIRED) {
            assertRefused(trustOnly(authority), "127.0.0.1");
        } else {
            assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
        }
        TlsFiles foreign = stranger.issue(folder, "foreign", "c");
        TlsFiles shown = new TlsFiles(foreign.key(), foreign.certificate(), Optional.of(authority.trust(folder)));
        if (clients == ClientCertificates.NOT_ASKED) {
            assertThat(post(shown, "127.0.0.1", "a")).isEqualTo("a");
        } else { // a client does not show what the server would not know, so it comes with none
            assertThat(clients == ClientCertificates.OPTIONAL ? post(shown, "127.0.0.1", "a") : refusal(shown))
                    .isEqualTo(clients == ClientCertificates.OPTIONAL ? "a" : "refused");
        }
    }

    private String refusal(TlsFiles client) {
        assertRefused(client, "127.0.0.1");
        return "refused";
    }

    @Test
    void shouldCutOffWhoeverSpeaksPlainHttp() {
        serve(serverFiles, ClientCertificates.NOT_ASKED);
        try (RawClient plain = new RawClient(server.port())) {
            plain.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
            assertThat(plain.readAll()).doesNotContain("HTTP/1.1 2");
        }
        assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
    }

    @Test
    void shouldSpeakNoVersionBelowTls12() throws IOException {
        serve(serverFiles, ClientCertificates.NOT_ASKED);
        for (String version : List.of("TLSv1.2", "TLSv1.3")) {
            assertThat(served(version).getSubjectX500Principal().getName()).isEqualTo("CN=server");
        }
        assertThatThrownBy(() -> served("TLSv1.1")).isInstanceOf(SSLException.class);
    }

    /** The certificate that the server shows now. */
    private X509Certificate served(String... versions) throws IOException {
        var context = TlsMaterial.read(trustOnly(authority)).context();
        try (var socket = (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", server.port())) {
            if (versions.length > 0) {
                socket.setEnabledProtocols(versions);
            }
            socket.startHandshake();
            return (X509Certificate) socket.getSession().getPeerCertificates()[0];
        }
    }

    private boolean shows(String holder) {
        try {
            return served().getSubjectX500Principal().getName().equals("CN=" + holder);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void shouldShowANewCertificateAndKeepTheOldOneWhileTheFilesAreBroken() throws Exception {
        TlsFiles own = new TlsFiles(
                Optional.of(copy(serverFiles.key(), "own.key")),
                Optional.of(copy(serverFiles.certificate(), "own.pem")),
                Optional.empty());
        serve(own, ClientCertificates.NOT_ASKED);
        try (HttpClient kept = HttpClient.start(HttpClientConfig.DEFAULT, trustOnly(authority))) {
            assertThat(post(kept, "127.0.0.1", "a")).isEqualTo("a");
            TlsFiles second = authority.issue(folder, "second", "127.0.0.1");
            copy(second.certificate(), "own.pem"); // a key without its certificate
            TlsFiles third = authority.issue(folder, "third", "127.0.0.1");
            Path other = copy(third.key(), "other.key");
            awaitNextReload(third, other);
            assertThat(shows("server")).isTrue();
            copy(second.key(), "own.key");
            await(() -> shows("second"));
            assertThat(post(kept, "127.0.0.1", "a")).isEqualTo("a");
            assertThat(post(trustOnly(authority), "127.0.0.1", "a")).isEqualTo("a");
        }
    }

    /** Waits until a server that was started later has taken a change that was made later. */
    private void awaitNextReload(TlsFiles first, Path key) throws Exception {
        Path certificate = copy(first.certificate(), "other.pem");
        HttpServer before = server;
        serve(new TlsFiles(Optional.of(key), Optional.of(certificate), Optional.empty()), ClientCertificates.NOT_ASKED);
        TlsFiles fourth = authority.issue(folder, "fourth", "127.0.0.1");
        copy(fourth.key(), "other.key");
        copy(fourth.certificate(), "other.pem");
        await(() -> shows("fourth"));
        server.close();
        server = before;
    }

    @Test
    void shouldShowANewCertificateOfItsOwnToServers() throws Exception {
        TlsFiles foreign = stranger.issue(folder, "foreign", "c");
        Path certificate = copy(foreign.certificate(), "shown.pem");
        Path key = copy(foreign.key(), "shown.key");
        serve(serverFiles, ClientCertificates.REQUIRED);
        TlsFiles shown = new TlsFiles(Optional.of(key), Optional.of(certificate), Optional.of(authority.trust(folder)));
        try (HttpClient http = HttpClient.start(HttpClientConfig.DEFAULT, shown)) {
            assertThatThrownBy(() -> post(http, "127.0.0.1", "a")).isInstanceOf(ApiException.class);
            TlsFiles known = authority.issue(folder, "known", "c");
            copy(known.key(), "shown.key");
            copy(known.certificate(), "shown.pem");
            await(() -> {
                try {
                    return post(http, "127.0.0.1", "a").equals("a");
                } catch (ApiException e) {
                    return false;
                }
            });
        }
    }

    @Test
    void shouldServeWithAnExpiredCertificateThatNobodyBelieves() {
        serve(
                authority.issue(folder, "late", Instant.now().minus(Duration.ofDays(1)), "127.0.0.1"),
                ClientCertificates.NOT_ASKED);
        assertThatThrownBy(() -> post(trustOnly(authority), "127.0.0.1", "a"))
                .hasMessageContaining("CertificateExpiredException");
    }

    @Test
    void shouldSayWhichFileCannotBeUsedAndWhy() throws IOException {
        Path rubbish = Files.writeString(folder.resolve("rubbish"), "rubbish");
        Path encrypted = Files.writeString(folder.resolve("enc"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n");
        Path absent = folder.resolve("absent");
        TlsFiles other = authority.issue(folder, "another", "127.0.0.1");
        assertProblem(serverFiles.key().get(), rubbish, "certificate " + rubbish + ": it has no certificate in PEM");
        assertProblem(
                rubbish, serverFiles.certificate().get(), "private key " + rubbish + ": it is no private key in PEM");
        assertProblem(encrypted, serverFiles.certificate().get(), "it is encrypted; a key without a password");
        assertProblem(absent, serverFiles.certificate().get(), "private key " + absent + ": there is no such file");
        assertProblem(serverFiles.key().get(), absent, "certificate " + absent + ": there is no such file");
        assertProblem(
                other.key().get(),
                serverFiles.certificate().get(),
                other.key().get() + ": it does not belong to the certificate "
                        + serverFiles.certificate().get());
        assertThatThrownBy(() -> HttpClient.start(
                        HttpClientConfig.DEFAULT,
                        new TlsFiles(Optional.empty(), Optional.empty(), Optional.of(rubbish))))
                .hasMessageContaining("CA file " + rubbish);
    }

    private void assertProblem(Path key, Path certificate, String problem) {
        var files = new TlsFiles(Optional.of(key), Optional.of(certificate), Optional.empty());
        assertThatThrownBy(() -> serve(files, ClientCertificates.NOT_ASKED))
                .isInstanceOf(ApiException.class)
                .hasMessageContaining(problem);
    }

    private Path copy(Optional<Path> from, String name) throws IOException {
        Path fresh = Files.copy(from.orElseThrow(), folder.resolve(name + ".new"), StandardCopyOption.REPLACE_EXISTING);
        return Files.move(fresh, folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long deadlineNs = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("it did not come about").isLessThan(deadlineNs);
            Thread.sleep(20);
        }
    }
}
