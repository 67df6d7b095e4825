package dev.tandem.node.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.openai.ApiError;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MetaserverAllowListTest {
    private static final String GATEWAY = "192.0.2.7";

    private final MetaserverAllowList rule = new MetaserverAllowList(List.of(" Gateway.Example ", ""));

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://192.0.2.7:8000/v1/metaserver",
                "http://127.0.0.1:8000/v1/metaserver",
                "http://[::1]:8000/v1/metaserver",
                "http://gateway.example/v1/metaserver"
            })
    void shouldAllowTheGatewayThisMachineAndConfiguredHosts(String url) {
        assertThat(rule.require(url, GATEWAY)).startsWith("http://").endsWith("/v1/metaserver");
    }

    @Test
    void shouldKeepTheNameThatACertificateIsFor() {
        assertThat(rule.require("https://localhost:8000/v1/metaserver", GATEWAY))
                .isEqualTo("https://localhost:8000/v1/metaserver");
        assertThat(rule.require("HTTPS://192.0.2.7/v1/metaserver", GATEWAY))
                .isEqualTo("HTTPS://192.0.2.7/v1/metaserver");
    }

    @Test
    void shouldCallTheAddressThatWasChecked() {
        assertThat(rule.require("http://localhost:8000/v1/metaserver?a=b", GATEWAY))
                .matches("http://(127\\.0\\.0\\.1|\\[0:0:0:0:0:0:0:1]|\\[::1]):8000/v1/metaserver\\?a=b");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://192.0.2.8:8000/v1/metaserver",
                "http://169.254.169.254/latest/meta-data",
                "https://192.0.2.8/v1/metaserver",
                "file:///etc/passwd",
                "http://user:secret@192.0.2.7/v1/metaserver",
                "http://no-such-host.invalid/v1/metaserver",
                "http:///v1/metaserver",
                "not a url"
            })
    void shouldRefuseEverythingElse(String url) {
        assertThatThrownBy(() -> rule.require(url, GATEWAY))
                .isInstanceOfSatisfying(
                        ApiError.class, error -> assertThat(error.status()).isEqualTo(400))
                .hasMessageContaining("kv_transfer_params.metaserver " + url + " is refused");
    }
}
