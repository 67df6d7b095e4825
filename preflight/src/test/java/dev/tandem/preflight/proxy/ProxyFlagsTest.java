package dev.tandem.preflight.proxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.api.HttpAddress;
import dev.tandem.gateway.GatewayAccess;
import dev.tandem.gateway.GatewayConfig;
import dev.tandem.gateway.LegTimeouts;
import dev.tandem.gateway.PdShape;
import dev.tandem.node.flags.FlagException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The proxies' command lines as the guides and the examples write them. */
class ProxyFlagsTest {
    private static final String GUIDE = "--host 192.0.0.1 --port 8080 --prefiller-hosts 192.0.0.1 192.0.0.2"
            + " --prefiller-port 8004 8004 --decoder-hosts 192.0.0.3 192.0.0.4 --decoder-ports 8004 8004";

    private static GatewayConfig parse(String line) {
        return ProxyFlags.parse(List.of(line.trim().split(" +"))).config();
    }

    private static List<String> problems(String line) {
        try {
            parse(line);
            return List.of();
        } catch (FlagException e) {
            return e.problems();
        }
    }

    @Test
    void shouldReadTheGuidesCommand() {
        GatewayConfig config = parse("--layerwise " + GUIDE);
        assertThat(config.listen()).isEqualTo(new HttpAddress("192.0.0.1", 8080));
        assertThat(config.nodes().prefill())
                .containsExactly(new HttpAddress("192.0.0.1", 8004), new HttpAddress("192.0.0.2", 8004));
        assertThat(config.nodes().decode())
                .containsExactly(new HttpAddress("192.0.0.3", 8004), new HttpAddress("192.0.0.4", 8004));
        assertThat(config.policies().shape()).isEqualTo(new PdShape.DecodeFirst(Optional.empty()));
        assertThat(parse(GUIDE).policies().shape()).isEqualTo(new PdShape.PrefillFirst());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--prefiller-host 127.0.0.2 --prefiller-port 8100 --decoder-host 127.0.0.3 --decoder-port 8200",
                "--prefiller-hosts=127.0.0.2 --prefiller-ports=8100 --decoder-hosts=127.0.0.3 --decoder-ports=8200",
                "--prefiller_hosts 127.0.0.2 --prefiller_ports 8100 --decoder_hosts 127.0.0.3 --decoder_ports 8200",
                "--prefiller-h 127.0.0.2 --prefiller-p 8100 --decoder-h 127.0.0.3 --decoder-p 8200"
            })
    void shouldReadOneValueInEverySpelling(String line) {
        GatewayConfig config = parse(line);
        assertThat(config.nodes().prefill()).containsExactly(new HttpAddress("127.0.0.2", 8100));
        assertThat(config.nodes().decode()).containsExactly(new HttpAddress("127.0.0.3", 8200));
    }

    @Test
    void shouldReadIpv6Hosts() {
        GatewayConfig config = parse(
                "--host ::1 --prefiller-hosts fd00::1 [fd00::2] --prefiller-ports 1 2 --decoder-hosts ::1 --decoder-ports 3");
        assertThat(config.nodes().prefill().get(1).authority()).isEqualTo("[fd00::2]:2");
        assertThat(config.nodes().decode().getFirst().authority()).isEqualTo("[::1]:3");
    }

    @Test
    void shouldHintAtAMissingBlankAtTheEndOfALine() {
        assertThat(problems("--prefiller-hosts 192.0.0.1 192.0.0.2--prefiller-port 8004 8004--decoder-hosts 192.0.0.3"))
                .containsExactly(
                        "'192.0.0.2--prefiller-port': a blank is missing before --prefiller-port; does a continued line end"
                                + " without one?",
                        "'8004--decoder-hosts': a blank is missing before --decoder-hosts; does a continued line end without"
                                + " one?");
        assertThat(problems("--decoder-hosts 192.0.0.3192.0.0.4 --decoder-ports 8004 8004"))
                .anyMatch(problem -> problem.contains("is a blank missing, as in '192.0.0.3 192.0.0.4'?"));
        assertThat(problems("--decoder-hosts 192.0.0.3 192.0.0.4 --decoder-ports 80048004"))
                .anyMatch(problem -> problem.contains("is a blank missing, as in '8004 8004'?"));
        assertThat(problems("--decoder-hosts 192.0.0.3 --decoder-ports 8004\\"))
                .anyMatch(problem -> problem.matches(".*must be a whole number, .* not 8004\\\\"));
    }

    @Test
    void shouldNameListsOfDifferentLengths() {
        assertThat(problems("--prefiller-hosts a b --prefiller-ports 1"))
                .containsExactly("--prefiller-hosts has 2 entries and --prefiller-ports 1; each host needs its port");
    }

    @ParameterizedTest
    @ValueSource(strings = {"192.0.0.3:8004", "http://a", "a/b", "1.2.3", "::1::2", "a\\"})
    void shouldRefuseWhatIsNoHost(String host) {
        assertThat(problems("--decoder-hosts " + host + " --decoder-ports 1"))
                .singleElement()
                .asString()
                .contains("--decoder-hosts: '" + host + "'");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0.0.0.0", "::"})
    void shouldWantAnAddressThatDecodeNodesReach(String wildcard) {
        assertThat(problems("--layerwise --host " + wildcard))
                .singleElement()
                .asString()
                .contains("--layerwise with --host " + wildcard, "--advertised-host");
        assertThat(parse("--layerwise --advertised-host 192.0.0.1 --host " + wildcard)
                        .policies()
                        .shape())
                .isEqualTo(new PdShape.DecodeFirst(Optional.of("192.0.0.1")));
        assertThat(problems("--layerwise --advertised-host 0.0.0.0 --host " + wildcard))
                .hasSize(1);
        assertThat(problems("--host " + wildcard)).isEmpty();
        assertThat(problems("--advertised-host 192.0.0.1")).hasSize(1);
    }

    @Test
    void shouldTakeTheFlagsOfNewerProxiesAndSayWhatHasNoEffect() {
        ProxyFlags flags = ProxyFlags.parse(List.of(
                "--workers",
                "4",
                "--max-waiting-retries",
                "3",
                "--waiting-retry-interval",
                "10",
                "--log-level",
                "INFO"));
        assertThat(flags.config().limits().eventLoops()).isEqualTo(4);
        assertThat(flags.notes()).hasSize(3).allMatch(note -> note.matches("--[a-z-]+: .+"));
    }

    @Test
    void shouldReadWhoMayCallAndWhatNodesAreShown() {
        GatewayConfig config = parse("--api-key a --api-key b --node-api-key n --node-tls --node-ssl-ca-certs ca"
                + " --node-ssl-certfile own --prefiller-hosts p https://q --prefiller-ports 1 2");
        GatewayAccess access = config.access();
        assertThat(access.clients().keys().keys()).containsExactly("a", "b");
        assertThat(access.nodeKey()).contains("n");
        assertThat(access.nodes().named()).containsExactly(Path.of("own"), Path.of("ca"));
        assertThat(config.nodes().prefill()).allMatch(HttpAddress::isSecure);
        assertThat(config.nodes().decode()).allMatch(HttpAddress::isSecure);
        assertThat(parse("--prefiller-hosts p https://[::1] --prefiller-ports 1 2")
                        .nodes()
                        .prefill())
                .hasToString("[p:1, https://[::1]:2]");
        assertThat(config.toString()).doesNotContain("[n]").doesNotContain("[a");
    }

    @Test
    void shouldTakeOneKeyOfTheEnvironmentForBothSides() {
        Map<String, String> variables = Map.of("VLLM_API_KEY", "v");
        GatewayAccess common = ProxyFlags.parse(List.of(), variables).config().access();
        assertThat(common.clients().keys().keys()).containsExactly("v");
        assertThat(common.nodeKey()).contains("v");
        GatewayAccess own = ProxyFlags.parse(List.of("--api-key", "a", "--node-api-key-file", "f"), variables)
                .config()
                .access();
        assertThat(own.clients().keys().keys()).containsExactly("a");
        assertThat(own.nodeKey()).isEmpty();
    }

    @Test
    void shouldReportKeysAndCertificatesThatDoNotFitTogether() {
        assertThat(problems("--node-api-key a --node-api-key-file b")).hasSize(1);
        assertThat(problems("--ssl-ca-certs a")).hasSize(1);
        assertThat(problems("--node-ssl-keyfile a")).hasSize(1);
        assertThat(problems("--node-api-key=")).hasSize(1);
        assertThat(problems("--prefiller-hosts https://p:1 --prefiller-ports 1"))
                .hasSize(1);
    }

    @Test
    void shouldReadHowLongToWait() {
        GatewayConfig config =
                parse("--silence-timeout 3 --first-byte-timeout 60 --inter-token-timeout 7.5 --drain-timeout 0");
        assertThat(config.policies().probes().silence()).isEqualTo(Duration.ofSeconds(3));
        assertThat(config.limits().legs()).isEqualTo(new LegTimeouts(Duration.ofMinutes(1), Duration.ofMillis(7500)));
        assertThat(config.limits().drainTimeout()).isZero();
        assertThat(problems("--silence-timeout 0 --first-byte-timeout 0 --inter-token-timeout 0"))
                .containsExactly(
                        "--silence-timeout is not positive",
                        "--first-byte-timeout is not positive",
                        "--inter-token-timeout is not positive");
        assertThat(problems("--drain-timeout -1")).hasSize(1);
    }

    @Test
    void shouldNameTheNearestFlag() {
        assertThatThrownBy(() -> parse("--prefiler-hosts a")).hasMessageContaining("the nearest is --prefiller-hosts");
        assertThatThrownBy(() -> parse("--max 1")).hasMessageContaining("it may mean [max-concurrent-requests");
        assertThatThrownBy(() -> parse("--layerwise yes")).hasMessageContaining("--layerwise takes no value");
        assertThatThrownBy(() -> parse("--port")).hasMessageContaining("--port needs a value");
        assertThatThrownBy(() -> parse("--port 70000")).hasMessageContaining("--port 70000 is outside [0, 65535]");
    }
}
