package dev.tandem.preflight.script;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.script.shell.ShellScript;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A deployment's scripts for tests: one prefill node, one decode node and the proxy, on three machines that are nobody's. Without changes
 * there is nothing to find in them.
 */
final class Scripts {
    static final String PREFILL = """
            export HCCL_IF_IP=198.51.100.1
            export GLOO_SOCKET_IFNAME=eth0
            vllm serve /model/qwen3 \\
              --host 0.0.0.0 \\
              --port 8004 \\
              --tensor-parallel-size 2 \\
              --served-model-name qwen3 \\
              --max-model-len 4096 \\
              --max-num-batched-tokens 4096 \\
              --kv-transfer-config \\
              '{"kv_connector": "MooncakeConnector",
              "kv_role": "kv_producer",
              "kv_port": "40000",
              "engine_id": "0",
              "kv_connector_extra_config": {
                "prefill": {"dp_size": 1, "tp_size": 2},
                "decode": {"dp_size": 1, "tp_size": 1}}}'
            """;
    static final String DECODE = """
            export HCCL_IF_IP=198.51.100.2
            export GLOO_SOCKET_IFNAME=eth0
            vllm serve /model/qwen3 \\
              --host 0.0.0.0 \\
              --port 8004 \\
              --served-model-name qwen3 \\
              --max-model-len 4096 \\
              --max-num-batched-tokens 4096 \\
              --kv-transfer-config \\
              '{"kv_connector": "MooncakeConnector",
              "kv_role": "kv_consumer",
              "kv_port": "40100",
              "engine_id": "1",
              "kv_connector_extra_config": {
                "prefill": {"dp_size": 1, "tp_size": 2},
                "decode": {"dp_size": 1, "tp_size": 1}}}'
            """;
    static final String PROXY = """
            python load_balance_proxy_server_example.py \\
              --host 198.51.100.3 \\
              --port 8080 \\
              --prefiller-hosts 198.51.100.1 \\
              --prefiller-ports 8004 \\
              --decoder-hosts 198.51.100.2 \\
              --decoder-ports 8004
            """;
    static final String QUESTION = """
            curl http://198.51.100.3:8080/v1/completions \\
              -H "Content-Type: application/json" \\
              -d '{"model": "qwen3", "prompt": "Who are you?", "max_tokens": 100}'
            """;

    private final Map<String, String> sources = new LinkedHashMap<>();

    /** The whole deployment. */
    static Scripts deployment() {
        return new Scripts()
                .and("prefill.sh", PREFILL)
                .and("decode.sh", DECODE)
                .and("proxy.sh", PROXY)
                .and("ask.sh", QUESTION);
    }

    /** Both nodes connected as in the DeepSeek guide: by rank table. */
    static Scripts byRankTable() {
        UnaryOperator<String> change = script -> "export DISAGGREGATED_PREFILL_RANK_TABLE_PATH=/shared/ranktable.json\n"
                + script.replace("MooncakeConnector", "LLMDataDistCMgrConnector");
        return deployment().with("prefill.sh", change).with("decode.sh", change);
    }

    /** One script only. */
    static Scripts only(String name, String source) {
        return new Scripts().and(name, source);
    }

    Scripts and(String name, String source) {
        sources.put(name, source);
        return this;
    }

    Scripts with(String name, UnaryOperator<String> change) {
        return and(name, change.apply(sources.getOrDefault(name, "")));
    }

    /** Replaces some text of a script, which must stand there. */
    Scripts with(String name, String text, String other) {
        return with(name, script -> {
            assertThat(script).contains(text);
            return script.replace(text, other);
        });
    }

    List<Finding> findings() {
        var scripts = new ArrayList<ShellScript>();
        sources.forEach((name, source) -> scripts.add(ShellScript.of(name, source)));
        return ScriptCheck.checkScripts(scripts);
    }

    /** Findings above notes. */
    List<Finding> faults() {
        return findings().stream()
                .filter(finding -> finding.severity().compareTo(Severity.NOTE) > 0)
                .toList();
    }
}
