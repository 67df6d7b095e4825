package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.trust.AddressList;
import dev.tandem.trust.ClusterSecret;
import dev.tandem.trust.PeerTrust;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MetaserverAllowListTest {
    private static final String GATEWAY = "192.0.2.7";
    private static final ClusterSecret SECRET = ClusterSecret.of("the cluster's secret");

    private final MetaserverAllowList rule = rule(PeerTrust.everybody());

    private static MetaserverAllowList rule(PeerTrust trust) {
        return new MetaserverAllowList(new HandoffPeers(
                List.of(" Gateway.Example ", "", "192.0.2.9:9000"),
                trust,
                Set.of("192.0.2.7", "127.0.0.1"),
                Set.of(8100)));
    }

    private static String require(MetaserverAllowList list, String url, String peer) {
        return list.require(new HandoffRole.Receive(url), peer);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://192.0.2.7:8000/v1/metaserver",
                "http://gateway.example/v1/metaserver",
                "http://192.0.2.9:9000/v1/metaserver"
            })
    void shouldAllowTheGatewayAndWhatIsConfigured(String url) {
        assertThat(require(rule, url, GATEWAY)).startsWith("http://").endsWith("/v1/metaserver");
    }

    @Test
    void shouldKeepTheNameThatACertificateIsFor() {
        assertThat(require(rule, "https://localhost:8000/v1/metaserver", "127.0.0.1"))
                .isEqualTo("https://localhost:8000/v1/metaserver");
        assertThat(require(rule, "HTTPS://192.0.2.7/v1/metaserver", GATEWAY))
                .isEqualTo("HTTPS://192.0.2.7/v1/metaserver");
    }

    @Test
    void shouldCallTheAddressThatWasChecked() {
        assertThat(require(rule, "http://localhost:8000/v1/metaserver", "127.0.0.3"))
                .matches("http://(127\\.0\\.0\\.1|\\[0:0:0:0:0:0:0:1]|\\[::1]):8000/v1/metaserver");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://192.0.2.8:8000/v1/metaserver",
                "http://192.0.2.9:9001/v1/metaserver",
                "http://127.0.0.1:8000/v1/metaserver",
                "http://192.0.2.7:8100/v1/metaserver",
                "http://192.0.2.7:8000/v1/handoff/cancel",
                "http://192.0.2.7:8000/v1/metaserver?a=b",
                "http://192.0.2.7:8000/v1/metaserver#a",
                "http://192.0.2.7:8000/v1/../v1/metaserver",
                "http://192.0.2.7:8000",
                "http://169.254.169.254/latest/meta-data",
                "https://192.0.2.8/v1/metaserver",
                "file:///etc/passwd",
                "http://user:secret@192.0.2.7/v1/metaserver",
                "http://no-such-host.invalid/v1/metaserver",
                "http:///v1/metaserver",
                "http://192.0.2.7:99999/v1/metaserver",
                "not a url"
            })
    void shouldRefuseEverythingElse(String url) {
        assertThatThrownBy(() -> require(rule, url, GATEWAY))
                .isInstanceOfSatisfying(
                        ApiError.class, error -> assertThat(error.status()).isEqualTo(400))
                .hasMessageContaining("kv_transfer_params.metaserver " + url + " is refused");
    }

    @Test
    void shouldAllowWhatAGatewayHasSealedAndNothingElseWithASecret() {
        MetaserverAllowList strict = rule(new PeerTrust(SECRET, AddressList.parse("192.0.2.20")));
        String url = "http://10.1.2.3:8000/v1/metaserver";
        byte[] seal = SECRET.seal("metaserver", url.getBytes(StandardCharsets.UTF_8));
        String hex = HexFormat.of().formatHex(seal);
        assertThat(strict.require(new HandoffRole.Receive(url, hex), GATEWAY)).isEqualTo(url);
        assertThatThrownBy(() -> strict.require(new HandoffRole.Receive(url.replace("8000", "8001"), hex), GATEWAY))
                .hasMessageContaining("no seal of the cluster secret");
        assertThatThrownBy(() -> require(strict, "http://192.0.2.7:8000/v1/metaserver", GATEWAY))
                .hasMessageContaining("no seal of the cluster secret");
        assertThat(require(strict, "http://192.0.2.20:8000/v1/metaserver", "192.0.2.20"))
                .isEqualTo("http://192.0.2.20:8000/v1/metaserver");
    }
}
