package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.preflight.script.shell.ShellScript;
import dev.tandem.systemtest.guide.Guide;
import dev.tandem.systemtest.guide.GuideScripts;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Deployment;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.ScriptProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The Qwen guide as its reader would carry it out: the commands of both variants, taken from the guide's own text, start two prefill
 * nodes of 2 x 8 ranks, a decode node of 16 ranks with a headless one of 16 more, and the proxy, as real processes on one host.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class QwenGuideTest {
    private static final Golden MODEL = Golden.folder("qwen3-moe-w8a8");
    private static final GuideQuestions QUESTIONS = new GuideQuestions(MODEL, "qwen3-moe", 12);

    /** The guide's other flags. */
    private static final List<String> ONE_RANK = List.of(
            "--seed",
            "1024",
            "--max-model-len",
            "32768",
            "--max-num-batched-tokens",
            "4096",
            "--no-enable-prefix-caching");

    private static final Endpoint GATEWAY = new Endpoint(GuideScripts.host(1), 8080);
    private static final URI PROXY = URI.create("http://" + GATEWAY);

    private List<List<Integer>> tokensOfOneRank = List.of();

    /** As its reader starts it, by a shell. */
    @Test
    void shouldServeAsTheGuideSays() {
        long startNs = System.nanoTime();
        var running = new ArrayList<ScriptProcess>();
        try {
            GuideScripts.nodes("mooncake", MODEL.checkpoint())
                    .forEach((node, script) -> running.add(ScriptProcess.start(node.replace(' ', '-'), script)));
            assertThat(running).hasSize(4);
            running.add(ScriptProcess.start("proxy", GuideScripts.proxy("mooncake")));
            running.forEach(ScriptProcess::awaitReady);
            verify();
            assertTokens(ofOneRank());
            report(startNs, running);
        } finally {
            running.reversed().forEach(ScriptProcess::close);
        }
    }

    @Test
    void shouldServeTheLayerwiseVariantToo() {
        assertTokensOfWarmNodes("layerwise", "--seed 1024", ofOneRank());
    }

    /** The same nodes with the one flag more that makes the tokens those of transformers. */
    @ParameterizedTest
    @ValueSource(strings = {"layerwise", "mooncake"})
    void shouldGiveGoldenTokensInFloat32(String variant) {
        assertTokensOfWarmNodes(variant, "--seed 1024 --dtype float32", QUESTIONS.golden());
    }

    /** @param flags in place of the scripts' seed */
    private void assertTokensOfWarmNodes(String variant, String flags, List<List<Integer>> expected) {
        var nodes = new ArrayList<WarmNode>();
        try {
            for (String script : GuideScripts.nodes(variant, MODEL.checkpoint()).values()) {
                assertThat(script).contains("--seed 1024");
                ShellScript changed = ShellScript.of(script.replace("--seed 1024", flags));
                nodes.add(WarmNode.start(Guide.serveArguments(changed), changed.variables()));
            }
            assertThat(nodes).hasSize(4);
            nodes.forEach(WarmNode::awaitReady);
            try (var proxy = ScriptProcess.start("proxy-of-warm-nodes", GuideScripts.proxy(variant))) {
                proxy.awaitReady();
                verify();
                assertTokens(expected);
            }
        } finally {
            nodes.reversed().forEach(WarmNode::close);
        }
    }

    private static void assertTokens(List<List<Integer>> expected) {
        Deployment.awaitHealthy(GATEWAY, 2, 1);
        assertThat(QUESTIONS.atOnce(PROXY)).isEqualTo(expected);
        assertEveryRankServed();
    }

    /** The same for both variants, so asked of one rank once. */
    private List<List<Integer>> ofOneRank() {
        if (tokensOfOneRank.isEmpty()) {
            tokensOfOneRank = QUESTIONS.ofOneRank(ONE_RANK);
        }
        return tokensOfOneRank;
    }

    /** The guide's own request, as it is and as a stream. */
    private void verify() {
        ObjectNode body = (ObjectNode) JsonMapper.shared().readTree(GuideScripts.verification());
        Reply whole = Client.post(PROXY.resolve("/v1/completions"), body);
        assertThat(whole.status()).as("%s", whole.body()).isEqualTo(200);
        String text = whole.body().path("choices").path(0).path("text").asString("");
        assertThat(text).isNotEmpty();
        assertThat(streamed(body.put("stream", true))).isEqualTo(text);
    }

    private static String streamed(ObjectNode body) {
        var text = new StringBuilder();
        var response = Client.open(PROXY.resolve("/v1/completions"), body);
        assertThat(response.statusCode()).isEqualTo(200);
        try (var lines = new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("data: {")) {
                    JsonNode event = JsonMapper.shared().readTree(line.substring(6));
                    text.append(event.path("choices").path(0).path("text").asString(""));
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    private static void assertEveryRankServed() {
        for (int node = 1; node <= 2; node++) {
            assertThat(successes(node)).as("prefill node %d", node).hasSize(2);
        }
        assertThat(successes(3)).as("decode ranks, headless ones too").hasSize(32);
    }

    private static Map<String, Double> successes(int node) {
        return Client.successesOfAllRanks(URI.create("http://" + GuideScripts.host(node) + ":8004/metrics"));
    }

    private static void report(long startNs, List<ScriptProcess> running) {
        var memory = new StringBuilder();
        for (ScriptProcess process : running) {
            memory.append(String.format(" %s %d MiB;", process.name(), process.peakMemoryBytes() >> 20));
        }
        System.out.printf("guide: %.1f s; peak memory:%s%n", (System.nanoTime() - startNs) / 1e9, memory);
    }
}
