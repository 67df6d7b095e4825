package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.TandemProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
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
            cluster.decode().kill();
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

    @Test
    void shouldRefuseWordsThatItDoesNotKnow() throws IOException, InterruptedException {
        assertThat(verify().status()).isEqualTo(2);
        assertThat(verify("127.0.0.1:1", "--modle", "m").status()).isEqualTo(2);
        assertThat(verify("ftp://127.0.0.1").status()).isEqualTo(2);
        assertThat(verify("127.0.0.1:1", "--deadline", "0").status()).isEqualTo(2);
    }
}
