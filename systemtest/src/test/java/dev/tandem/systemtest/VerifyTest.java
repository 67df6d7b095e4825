package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.api.Loopback;
import dev.tandem.api.access.ApiKeys;
import dev.tandem.api.access.TestAuthority;
import dev.tandem.api.access.TlsFiles;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.TandemProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code tandem verify} before real processes: gateway, prefill node and decode node, and a node alone. */
class VerifyTest {
    private static final Path FABLE = TandemProcess.ROOT.resolve("models/tandem-fable");

    /** What the command printed, by the check's name, and how it ended. */
    private record Verified(int status, Map<String, JsonNode> rows, String text) {
        void assertStatus(String check, String status) {
            assertThat(rows.get(check).path("status").asString(""))
                    .as(check + " in " + text)
                    .isEqualTo(status);
        }
    }

    private static Verified verify(String... arguments) throws IOException, InterruptedException {
        var all = new ArrayList<>(List.of("verify", "--json"));
        all.addAll(List.of(arguments));
        Process process = new ProcessBuilder(TandemProcess.command(all))
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        var rows = new HashMap<String, JsonNode>();
        text.lines()
                .map(JsonMapper.shared()::readTree)
                .forEach(row ->
                        rows.put(row.path("check").asString(row.path("event").asString("")), row));
        return new Verified(process.waitFor(), rows, text);
    }

    @Test
    void shouldSeeEverythingOfADisaggregatedCluster() throws IOException, InterruptedException {
        try (var cluster = Deployment.start(FABLE, "--max-model-len", "1024", "--max-num-seqs", "4")) {
            Verified verified = verify(cluster.gateway().http().toString());
            assertThat(verified.status()).as(verified.text()).isZero();
            JsonNode summary = verified.rows().get("verified");
            assertThat(summary.path("ok").asInt(0)).as(verified.text()).isEqualTo(10);
            JsonNode handoff = verified.rows().get("disaggregation");
            assertThat(handoff.path("bytes").asLong(0)).isPositive();
            assertThat(handoff.path("path").asString("")).isEqualTo("pull");
            assertThat(verified.rows().get("tokens").path("figure").asString(""))
                    .contains("the same 32 tokens");
            cluster.decode().close();
            Verified broken = verify(cluster.gateway().http().toString());
            assertThat(broken.status()).isEqualTo(1);
            broken.assertStatus("stream", "failed");
            broken.assertStatus("tokens", "not-seen");
        }
    }

    @Test
    void shouldCompareOnTheDecodeNodeWhereItCachesNothing() throws IOException, InterruptedException {
        try (var cluster = Deployment.start(
                FABLE, "--max-model-len", "1024", "--max-num-seqs", "4", "--no-enable-prefix-caching")) {
            Verified verified = verify("http://" + cluster.gateway().http() + "/v1", "--model", Deployment.MODEL);
            assertThat(verified.status()).as(verified.text()).isZero();
            assertThat(verified.rows().get("tokens").path("figure").asString(""))
                    .contains("decode node " + cluster.decode().http());
        }
    }

    @Test
    void shouldVerifyANodeAlone() throws IOException, InterruptedException {
        try (var node =
                Deployment.aggregated(FABLE, "--max-model-len", "512", "--max-num-seqs", "4", "--api-key", "k")) {
            Verified verified = verify(node.http().toString(), "--api-key", "k");
            assertThat(verified.status()).as(verified.text()).isZero();
            verified.assertStatus("chat", "ok");
            verified.assertStatus("disaggregation", "not-seen");
            verified.assertStatus("blocks", "ok");
            Verified refused = verify(node.http().toString());
            assertThat(refused.status()).isEqualTo(1);
            refused.assertStatus("models", "failed");
        }
    }

    private static List<String> tls(TlsFiles files) {
        return List.of(
                "--ssl-keyfile",
                files.key().orElseThrow().toString(),
                "--ssl-certfile",
                files.certificate().orElseThrow().toString(),
                "--ssl-ca-certs",
                files.authorities().orElseThrow().toString());
    }

    private static WarmNode secureNode(String host, String role, String engineId, List<String> access) {
        var arguments = new ArrayList<>(List.of("serve", FABLE.toString(), "--served-model-name", Deployment.MODEL));
        arguments.addAll(List.of("--max-model-len", "1024", "--max-num-seqs", "4", "--ssl-cert-reqs", "2"));
        arguments.addAll(access);
        arguments.addAll(
                List.of("--kv-transfer-config", Deployment.transfer("MooncakeLayerwiseConnector", role, engineId)));
        return WarmNode.start(host, arguments, Map.of());
    }

    /** Every connection between processes shows a certificate: client to gateway, gateway to nodes, decode node to metaserver. */
    @Test
    void shouldVerifyWhereEverybodyAsksForKeyAndCertificate(@TempDir Path folder)
            throws IOException, InterruptedException {
        List<String> hosts = List.of(Loopback.next(), Loopback.next(), Loopback.next());
        var authority = new TestAuthority("cluster");
        TlsFiles certificate = authority.issue(folder, "cluster", hosts.toArray(String[]::new));
        Path keys = Files.writeString(
                folder.resolve("keys"), "gateway " + ApiKeys.hash("node-key") + "\nverify " + ApiKeys.hash("n") + "\n");
        var ofNodes = new ArrayList<>(List.of("--api-key-file", keys.toString()));
        ofNodes.addAll(tls(certificate));
        var ofGateway = new ArrayList<>(List.of("proxy", "--layerwise", "--node-tls", "--ssl-cert-reqs", "2"));
        ofGateway.addAll(List.of("--api-key", "client-key", "--node-api-key", "node-key"));
        ofGateway.addAll(tls(certificate));
        tls(certificate).forEach(word -> ofGateway.add(word.replace("--ssl", "--node-ssl")));
        String port = Integer.toString(TandemProcess.HTTP_PORT);
        ofGateway.addAll(List.of("--prefiller-hosts", hosts.get(0), "--prefiller-ports", port));
        ofGateway.addAll(List.of("--decoder-hosts", hosts.get(1), "--decoder-ports", port));
        try (var prefill = secureNode(hosts.get(0), "kv_producer", "0", ofNodes);
                var decode = secureNode(hosts.get(1), "kv_consumer", "1", ofNodes);
                var gateway = TandemProcess.startAt("gateway", hosts.get(2), TandemProcess.HTTP_PORT, ofGateway)) {
            prefill.awaitReady();
            decode.awaitReady();
            gateway.awaitReady(); // once it sees both nodes
            String url = "https://" + gateway.http();
            var known = new ArrayList<>(List.of(url, "--api-key", "client-key", "--node-api-key", "n"));
            known.addAll(tls(authority.issue(folder, "operator", "operator")));
            Verified verified = verify(known.toArray(String[]::new));
            assertThat(verified.status()).as(verified.text() + gateway.log()).isZero();
            assertThat(verified.rows().get("disaggregation").path("path").asString(""))
                    .as(verified.text())
                    .isEqualTo("layerwise");
            assertThat(verified.rows().get("disaggregation").path("bytes").asLong(0))
                    .isPositive();

            String trusted = authority.trust(folder).toString();
            Verified stranger = verify(url, "--api-key", "client-key", "--ssl-ca-certs", trusted);
            assertThat(stranger.status()).isEqualTo(1);
            stranger.assertStatus("health", "failed");
            Verified plain = verify(gateway.http().toString(), "--api-key", "client-key");
            assertThat(plain.status()).isEqualTo(1);
            plain.assertStatus("health", "failed");
        }
    }

    @Test
    void shouldRefuseWordsThatItDoesNotKnow() throws IOException, InterruptedException {
        assertThat(verify().status()).isEqualTo(2);
        assertThat(verify("127.0.0.1:1", "--modle", "m").status()).isEqualTo(2);
        assertThat(verify("ftp://127.0.0.1").status()).isEqualTo(2);
        assertThat(verify("127.0.0.1:1", "--deadline", "0").status()).isEqualTo(2);
    }
}
