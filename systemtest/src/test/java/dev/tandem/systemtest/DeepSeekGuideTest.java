package dev.tandem.systemtest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.script.shell.ShellScript;
import dev.tandem.systemtest.guide.DeepSeekScripts;
import dev.tandem.systemtest.guide.Guide;
import dev.tandem.systemtest.process.Client;
import dev.tandem.systemtest.process.Client.Reply;
import dev.tandem.systemtest.process.Golden;
import dev.tandem.systemtest.process.ScriptProcess;
import dev.tandem.systemtest.process.WarmNode;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The DeepSeek guide as its reader would carry it out: the commands, taken from the guide's own text, write the rank table, start a
 * prefill and a decode node of 16 ranks each with expert parallel, and the proxy, as real processes on one host.
 */
@Timeout(600)
class DeepSeekGuideTest {
    private static final Golden MODEL = Golden.folder("deepseek-v3.2-w8a8");
    private static final GuideQuestions QUESTIONS = new GuideQuestions(MODEL, "deepseek_v3.2", 12);

    /** The guide's other flags. */
    private static final List<String> ONE_RANK = List.of(
            "--seed",
            "1024",
            "--quantization",
            "ascend",
            "--max-num-seqs",
            "16",
            "--max-num-batched-tokens",
            "32768",
            "--no-enable-prefix-caching");

    private static final Duration LIMIT = Duration.ofSeconds(120);
    private static final URI PROXY = URI.create("http://" + DeepSeekScripts.PREFILL + ":8080");

    @TempDir
    Path folder;

    private final ArrayDeque<ScriptProcess> running = new ArrayDeque<>();
    private long startNs;

    @BeforeEach
    void begin() {
        startNs = System.nanoTime();
    }

    @AfterEach
    void end() {
        running.forEach(ScriptProcess::close);
        System.out.printf("DeepSeek guide: %.1f s%n", (System.nanoTime() - startNs) / 1e9);
    }

    /** First as the guide is printed, then with its backslash. */
    @Test
    void shouldSayWhatIsWrongWithTheGuideAndServeOnceItIsFixed() {
        List<List<Integer>> expected = QUESTIONS.ofOneRank(ONE_RANK);
        DeepSeekScripts scripts = scripts();
        writeRankTable(scripts);
        ScriptProcess decode = start("decode", scripts.decode());
        ScriptProcess printed =
                start("prefill-as-printed", scripts.printedPrefill()).awaitReady();
        decode.awaitReady();
        assertThat(printed.log()).contains("a missing backslash in front of --kv-transfer-config does that");
        assertTheProxyServesNotFromOneSide(scripts);
        printed.close();
        assertThat(printed.log()).as("what the shell makes of it").contains("--kv-transfer-config: not found");

        ScriptProcess prefill = start("prefill", scripts.fixedPrefill()).awaitReady();
        assertThat(prefill.log())
                .contains("rank table " + folder.resolve("ranktable.json") + ": 16 prefill devices on ["
                        + DeepSeekScripts.PREFILL + "], 16 decode devices on [" + DeepSeekScripts.DECODE + "]")
                .contains("engine_id: accepted, no effect", "kv_port: accepted, no effect");
        start("proxy", scripts.proxy()).awaitReady();
        verify();
        assertThat(QUESTIONS.atOnce(PROXY)).isEqualTo(expected);
    }

    /** The same nodes with the one flag more that makes the tokens those of transformers. */
    @Test
    void shouldGiveGoldenTokensInFloat32() {
        DeepSeekScripts scripts = scripts();
        writeRankTable(scripts);
        try (var decode = inFloat32(scripts.decode());
                var prefill = inFloat32(scripts.fixedPrefill())) {
            decode.awaitReady();
            prefill.awaitReady();
            start("proxy-float32", scripts.proxy()).awaitReady();
            verify();
            assertThat(QUESTIONS.atOnce(PROXY)).isEqualTo(QUESTIONS.golden());
        }
    }

    private DeepSeekScripts scripts() {
        return new DeepSeekScripts(MODEL.checkpoint(), folder);
    }

    private static WarmNode inFloat32(String script) {
        String changed = script.replace("--seed 1024", "--seed 1024 --dtype float32");
        assertThat(changed).isNotEqualTo(script);
        return WarmNode.start(
                Guide.serveArguments(ShellScript.of(changed)),
                ShellScript.of(changed).variables());
    }

    private ScriptProcess start(String name, String script) {
        ScriptProcess process = ScriptProcess.start("deepseek-" + name, script);
        running.push(process);
        return process;
    }

    private void writeRankTable(DeepSeekScripts scripts) {
        ScriptProcess ranktable = start("ranktable", scripts.rankTable());
        assertThat(ranktable.awaitEnd(LIMIT)).as("%s", ranktable.log()).isZero();
        running.remove(ranktable);
        assertThat(folder.resolve("ranktable.json")).exists();
    }

    private void assertTheProxyServesNotFromOneSide(DeepSeekScripts scripts) {
        ScriptProcess proxy = start("proxy-as-printed", scripts.proxy());
        assertThat(proxy.awaitEnd(LIMIT)).as("%s", proxy.log()).isNotZero();
        running.remove(proxy);
        assertThat(proxy.log())
                .contains(
                        "prefill " + DeepSeekScripts.PREFILL + ":8000",
                        "it runs without --kv-transfer-config",
                        "backslash in front of --kv-transfer-config");
    }

    /** The guide's own request. */
    private static void verify() {
        ObjectNode body = (ObjectNode) JsonMapper.shared().readTree(DeepSeekScripts.verification());
        Reply reply = Client.post(PROXY.resolve("/v1/completions"), body);
        assertThat(reply.status()).as("%s", reply.body()).isEqualTo(200);
        assertThat(reply.header("x-tandem-disaggregated")).isEqualTo("true");
        assertThat(reply.body().path("choices").path(0).path("text").asString(""))
                .isNotEmpty();
        assertThat(reply.body().path("usage").path("completion_tokens").asInt(0))
                .isPositive();
    }
}
