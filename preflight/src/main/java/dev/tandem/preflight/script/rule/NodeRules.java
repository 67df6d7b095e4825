package dev.tandem.preflight.script.rule;

import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.node.flags.Nearest;
import dev.tandem.preflight.deployment.Hosts;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.NodeStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.shell.Word;
import java.util.Optional;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What can be said of one node beside what its own grammar says. */
final class NodeRules {
    private static final JsonMapper JSON = JsonMapper.shared();
    private static final String KV = "kv-transfer-config";
    private static final String ADDITIONAL = "additional-config";
    private static final String TORCHAIR = "torchair_graph_config";
    /** Keys of {@code torchair_graph_config} in vllm-ascend v0.11, from its page on additional configuration. */
    private static final Set<String> TORCHAIR_KEYS = Set.of(
            "enabled",
            "mode",
            "enable_multistream_mla",
            "enable_view_optimize",
            "enable_frozen_parameter",
            "use_cached_graph",
            "graph_batch_sizes",
            "graph_batch_sizes_init",
            "enable_kv_nz",
            "enable_super_kernel");

    private NodeRules() {}

    static void check(ScriptedDeployment deployment, Findings findings) {
        for (NodeStart node : deployment.nodes()) {
            engineId(node, findings);
            torchair(node, findings);
            longPrompts(node, findings);
            defaultHost(node, findings);
        }
    }

    private static void engineId(NodeStart node, Findings findings) {
        object(node, KV)
                .map(json -> json.path("engine_id"))
                .filter(JsonNode::isNumber)
                .ifPresent(id -> findings.warning(
                        node.call().at(KV, "engine_id"),
                        "engine_id " + id + " is a number; tandem takes it as text, vLLM refuses it",
                        "write \"" + id + "\""));
    }

    private static void torchair(NodeStart node, Findings findings) {
        Optional<JsonNode> config =
                object(node, ADDITIONAL).map(json -> json.path(TORCHAIR)).filter(JsonNode::isObject);
        if (config.isEmpty()) {
            return;
        }
        for (String key : config.get().propertyNames()) {
            if (!TORCHAIR_KEYS.contains(key)) {
                findings.note(
                        node.call().at(ADDITIONAL, key),
                        TORCHAIR + "." + key + ": no such key is read there; the nearest is "
                                + Nearest.of(key, TORCHAIR_KEYS));
            }
        }
        if (!config.get().path("enabled").asBoolean(false) && config.get().size() > 1) {
            findings.warning(
                    node.call().at(ADDITIONAL, TORCHAIR),
                    TORCHAIR
                            + " has other keys without \"enabled\": true: vllm-ascend refuses to start; tandem takes no"
                            + " notice",
                    "enable it or leave it out");
        }
    }

    private static void longPrompts(NodeStart node, Findings findings) {
        BatchLimits limits = node.flags().limits();
        Optional<Integer> longest = node.flags().model().maxModelLength();
        if (node.isPrefill() || longest.isEmpty() || longest.get() <= limits.batchedTokens()) {
            return;
        }
        try {
            limits.requireWholePrompts(longest.get());
            findings.note(
                    node.call().at("max-num-batched-tokens"),
                    "--max-num-batched-tokens " + limits.batchedTokens() + " is below --max-model-len " + longest.get()
                            + ": a long prompt that this node must compute itself is cut into chunks");
        } catch (IllegalArgumentException e) {
            findings.error(
                    node.call().at("max-num-batched-tokens"),
                    String.valueOf(e.getMessage()),
                    "raise it, or leave --no-enable-chunked-prefill out");
        }
    }

    /** vLLM listens on all addresses when no host is given, a node of ours on loopback. */
    private static void defaultHost(NodeStart node, Findings findings) {
        if (node.call().words().stream().noneMatch(word -> word.startsWith("--host") || word.startsWith("--config"))
                && node.host().filter(host -> !Hosts.isLoopback(host)).isPresent()
                && !node.parallel().isHeadless()) {
            findings.warning(
                    node.location(),
                    "no --host: tandem listens on " + node.bound() + " only, where vLLM listens on every address",
                    "--host " + node.host().orElseThrow());
        }
    }

    /** The JSON of a flag, where it stands as one word. */
    private static Optional<JsonNode> object(NodeStart node, String flag) {
        try {
            return node.call().valueOf(flag).map(Word::text).map(JSON::readTree).filter(JsonNode::isObject);
        } catch (JacksonException e) {
            return Optional.empty(); // the node's own grammar has said so
        }
    }
}
