package dev.tandem.systemtest.guide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.script.ScriptCheck;
import dev.tandem.preflight.script.shell.ShellScript;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Both guides' own scripts, from their text, as one deployment each: what is known to be wrong with them, and nothing else. */
class GuideScriptsTest {
    private static final String QWEN = "qwen3-235b-2p1d-mooncake.md";
    private static final String DEEPSEEK = "deepseek-v3.2-1p1d-llmdatadist.md";

    /** Every block of a guide as a script; the nodes of one variant only. */
    private static List<Finding> findings(String guide, String variant, UnaryOperator<String> change) {
        var scripts = new ArrayList<ShellScript>();
        for (Guide.Block block : Guide.blocks(guide)) {
            if (!block.text().contains("vllm serve") || block.section().contains(variant)) {
                String name = (block.tab().isEmpty() ? block.section() : block.tab()).toLowerCase(Locale.ROOT);
                scripts.add(ShellScript.of(name, change.apply(block.text())));
            }
        }
        return ScriptCheck.checkScripts(scripts);
    }

    private static List<String> above(Severity severity, List<Finding> findings) {
        return findings.stream()
                .filter(finding -> finding.severity().compareTo(severity) > 0)
                .map(finding -> finding.severity() + " " + finding.subject() + " " + finding.found())
                .toList();
    }

    private static final String RESERVED =
            " lie in 20000-35999, which the Ascend transport reserves on hosts with 16 devices";
    private static final String NO_BLANK =
            " no blank before the backslash: words stay apart only because the next line begins with one";
    private static final String HEADLESS =
            " runs --headless: nobody listens there, and the example program sends it its share of the requests";

    @Test
    void shouldFindWhatIsWrongInTheLayerwiseVariantOfTheQwenGuide() {
        List<Finding> findings = findings(QWEN, "layerwise", UnaryOperator.identity());
        assertThat(above(Severity.NOTE, findings))
                .containsExactly(
                        "WARNING prefiller node 1:38 kv_port 30000: the side-channel ports 30000-30015" + RESERVED,
                        "WARNING prefiller node 2:38 kv_port 30100: the side-channel ports 30100-30115" + RESERVED,
                        "WARNING decoder node 1:39 kv_port 30200: the side-channel ports 30200-30215" + RESERVED,
                        "WARNING decoder node 2:40 kv_port 30300: the side-channel ports 30316-30331" + RESERVED,
                        "WARNING example proxy for deployment:4" + NO_BLANK,
                        "WARNING example proxy for deployment:5" + NO_BLANK,
                        "WARNING example proxy for deployment:6" + NO_BLANK,
                        "ERROR example proxy for deployment:6 192.0.0.4:8004 is the node of decoder node 2:16, which"
                                + HEADLESS);
        assertThat(findings)
                .extracting(Finding::found)
                .anyMatch(found -> found.contains("tandem check asks all of them at once"))
                .anyMatch(found -> found.contains("use_ascend_direct"));
    }

    @Test
    void shouldFindWhatIsWrongInThePullVariantOfTheQwenGuide() {
        List<Finding> findings = findings(QWEN, "mooncake", UnaryOperator.identity());
        assertThat(above(Severity.WARNING, findings))
                .containsExactly(
                        "ERROR example proxy for deployment:1 this program asks decode nodes first, and the nodes, as that of"
                                + " prefiller node 1:12, run a connector that reads, where prefill comes first",
                        "ERROR example proxy for deployment:6 192.0.0.4:8004 is the node of decoder node 2:13, which"
                                + HEADLESS);
        assertThat(findings)
                .extracting(Finding::found)
                .anyMatch(found -> found.startsWith("the checkpoint is /mnt/weight/Qwen3-235B-A22B-W8A8 here"));
    }

    @Test
    void shouldFindWhatIsWrongInTheDeepSeekGuide() {
        String table =
                "the rank table is read from /vllm-workspace/vllm-ascend/examples/disaggregated_prefill_v1/ranktable.json"
                        + " and written to vllm-ascend/examples/disaggregate_prefill_v1/ranktable.json by generate ranktable:4:"
                        + " disaggregate_prefill_v1 and disaggregated_prefill_v1, the folder is spelled in two ways";
        assertThat(above(Severity.NOTE, findings(DEEPSEEK, "", UnaryOperator.identity())))
                .containsExactly(
                        "WARNING generate ranktable:3 cd fails: vllm-ascend's folder is examples/disaggregated_prefill_v1, not"
                                + " disaggregate_prefill_v1",
                        "ERROR prefiller node:27 line 27 ends the command: the node would start without its KV connector, and"
                                + " line 28 would be run as a command",
                        "WARNING prefiller node:3 " + table,
                        "WARNING decoder node:3 " + table);
    }

    @Test
    void shouldSayHowToFixTheWorst() {
        Finding worst = findings(DEEPSEEK, "", UnaryOperator.identity()).stream()
                .filter(Finding::isError)
                .findFirst()
                .orElseThrow();
        assertThat(worst.fix()).isEqualTo("put a backslash at the end of line 27");
    }

    @Test
    void shouldFindNothingInTheFixedGuides() {
        UnaryOperator<String> qwen = script -> script.replaceAll("(\\S)\\\\\n", "$1 \\\\\n")
                .replace("192.0.0.3 192.0.0.4 \\", "192.0.0.3 \\")
                .replace("--decoder-ports 8004 8004", "--decoder-ports 8004")
                .replace("\"30", "\"40");
        assertThat(above(Severity.NOTE, findings(QWEN, "layerwise", qwen))).isEmpty();
        assertThat(above(
                        Severity.NOTE,
                        findings(
                                QWEN,
                                "mooncake",
                                script -> qwen.apply(script).replace("proxy_layerwise_server", "proxy_server"))))
                .isEmpty();
        UnaryOperator<String> deepSeek =
                script -> script.replace("[16]}}'\n", "[16]}}' \\\n").replace("disaggregate_", "disaggregated_");
        assertThat(above(Severity.NOTE, findings(DEEPSEEK, "", deepSeek))).isEmpty();
    }

    /** Without the backslash, the rest is read as if it were there: what follows from it is not reported again. */
    @Test
    void shouldNotReportTwiceWhatFollowsFromTheMissingBackslash() {
        List<Finding> findings = findings(DEEPSEEK, "", UnaryOperator.identity());
        assertThat(findings).extracting(Finding::found).noneMatch(found -> found.contains("takes no part in handoffs"));
    }
}
