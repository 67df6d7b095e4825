package dev.tandem.node.flags;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tandem.api.access.ServerTls.ClientCertificates;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AccessFlagsTest {
    private static ServeFlags.Server server(String line) {
        var arguments = new ArrayList<>(List.of("m"));
        arguments.addAll(List.of(line.split(" ")));
        return ServeFlags.parse(arguments).server();
    }

    private static List<String> problems(String line) {
        return catchThrowableOfType(FlagException.class, () -> server(line)).problems();
    }

    @Test
    void shouldTakeEveryKeyHoweverOftenTheFlagComes() {
        assertThat(server("--api-key a b --port 1 --api-key=c").access().keys().keys())
                .containsExactly("a", "b", "c");
        assertThat(server("--api-key a").access().keys().openPaths()).containsExactly("/health", "/ping");
        assertThat(server("--api-key-file f").access().keys().areSet()).isTrue();
        assertThat(server("--open-paths /a /b").access().keys().areSet()).isFalse();
    }

    @Test
    void shouldNotShowKeys() {
        assertThat(server("--api-key s3cret").toString()).doesNotContain("s3cret");
    }

    @Test
    void shouldReadCertificatesAsVllmDoes() {
        var access = server("--ssl-certfile c --ssl-keyfile k --ssl-ca-certs a --ssl-cert-reqs 2")
                .access();
        assertThat(access.tls().orElseThrow().clients()).isEqualTo(ClientCertificates.REQUIRED);
        assertThat(access.tls().orElseThrow().files().named())
                .containsExactly(Path.of("k"), Path.of("c"), Path.of("a"));
        assertThat(server("--ssl-certfile c --ssl-ca-certs a --ssl-cert-reqs 1")
                        .access()
                        .tls()
                        .orElseThrow()
                        .clients())
                .isEqualTo(ClientCertificates.OPTIONAL);
        assertThat(server("--ssl-certfile c").access().tls().orElseThrow().clients())
                .isEqualTo(ClientCertificates.NOT_ASKED);
        ServeFlags.Server plain = server("--ssl-ca-certs a"); // for metaservers that speak TLS
        assertThat(plain.access().tls()).isEmpty();
        assertThat(plain.outgoing().authorities()).contains(Path.of("a"));
    }

    @Test
    void shouldSayThatKnownAuthoritiesAloneAskNobody() {
        assertThat(ServeFlags.parse(List.of("m", "--ssl-certfile", "c", "--ssl-ca-certs", "a"))
                        .notes())
                .containsExactly("--ssl-ca-certs: clients are asked for no certificate, because --ssl-cert-reqs is 0");
    }

    @Test
    void shouldReportWhatDoesNotFitTogether() {
        assertThat(problems("--ssl-keyfile k"))
                .containsExactly("--ssl-keyfile needs --ssl-certfile: the certificate that the key belongs to");
        assertThat(problems("--ssl-cert-reqs 2"))
                .containsExactly(
                        "--ssl-cert-reqs 2 needs --ssl-certfile: without it there is no TLS",
                        "--ssl-cert-reqs 2 needs --ssl-ca-certs: whose certificates clients must have");
        assertThat(problems("--ssl-cert-reqs 3")).containsExactly("--ssl-cert-reqs 3 is outside [0, 2]");
        assertThat(problems("--open-paths health")).containsExactly("--open-paths: health must begin with a slash");
        assertThat(problems("--api-key="))
                .hasSize(1)
                .allMatch(text -> text.startsWith("--api-key has a key that is empty"));
        assertThat(problems("--api-key k\u00e9")).hasSize(1);
        assertThat(problems("--ssl-ciphers X")).hasSize(1);
        assertThat(problems("--port 9 --metrics-port 9"))
                .containsExactly("--metrics-port 9 is the port of --port too; give it one of its own");
    }
}
