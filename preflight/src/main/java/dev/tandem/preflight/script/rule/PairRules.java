package dev.tandem.preflight.script.rule;

import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.KvTransferConfig.Sizes;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.NodeStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What prefill and decode nodes must agree on, and what should differ. */
final class PairRules {
    private static final String KV = "kv-transfer-config";

    private PairRules() {}

    static void check(ScriptedDeployment deployment, Findings findings) {
        engineIds(deployment, findings);
        for (NodeStart decode : deployment.decode()) {
            for (NodeStart prefill : deployment.prefill()) {
                if (!prefill.equals(decode)) {
                    connectors(prefill, decode, findings);
                    sizes(prefill, decode, findings);
                }
            }
        }
        likeTheFirst(deployment, findings);
        acrossSides(deployment, findings);
    }

    private static void engineIds(ScriptedDeployment deployment, Findings findings) {
        Map<String, NodeStart> owners = new HashMap<>();
        for (NodeStart node : deployment.nodes()) {
            Optional<String> id = node.handoff().map(KvTransferConfig::engineId);
            NodeStart other = id.map(name -> owners.putIfAbsent(name, node)).orElse(null);
            if (other != null && (node.isFoundByTicket() || other.isFoundByTicket()) && !isOneEngine(node, other)) {
                findings.error(
                        node.call().at(KV, "engine_id"),
                        "engine_id " + id.orElseThrow() + " is that of " + other.location()
                                + " too; a decode node takes one of the same id for itself",
                        "give each node its own engine_id");
            }
        }
    }

    /** Whether two nodes run replicas of one deployment, whose names differ by the rank behind the id. */
    private static boolean isOneEngine(NodeStart node, NodeStart other) {
        return node.parallel().data().size() > 1
                && node.parallel().data().size() == other.parallel().data().size()
                && node.parallel().head().equals(other.parallel().head())
                && node.isPrefill() == other.isPrefill();
    }

    private static void connectors(NodeStart prefill, NodeStart decode, Findings findings) {
        KvTransferConfig theirs = prefill.handoff().orElseThrow();
        KvTransferConfig ours = decode.handoff().orElseThrow();
        if (ours.name() != theirs.name()) {
            findings.error(
                    decode.call().at(KV, "kv_connector"),
                    "this decode node runs " + ours.name().vllmName() + ", the prefill node of " + prefill.location()
                            + " " + theirs.name().vllmName(),
                    "give both sides the same kv_connector");
        }
    }

    private static void sizes(NodeStart prefill, NodeStart decode, Findings findings) {
        expected(decode, "prefill", decode.handoff().orElseThrow().expected().prefill(), prefill, findings);
        expected(prefill, "decode", prefill.handoff().orElseThrow().expected().decode(), decode, findings);
        int theirs = prefill.parallel().tensor();
        int ours = decode.parallel().tensor();
        if (Math.max(theirs, ours) % Math.min(theirs, ours) != 0) {
            findings.error(
                    decode.call().at("tensor-parallel-size"),
                    "--tensor-parallel-size " + ours + " here and " + theirs + " in " + prefill.location()
                            + ": one must divide the other, so that ranks can be matched",
                    "change one of the two");
        }
    }

    private static void expected(
            NodeStart node, String side, Optional<Sizes> expected, NodeStart peer, Findings findings) {
        var actual = new Sizes(peer.parallel().data().size(), peer.parallel().tensor());
        if (expected.isPresent() && !expected.get().equals(actual)) {
            findings.error(
                    node.call().at(KV, side),
                    side + " has dp_size " + expected.get().dp() + " and tp_size "
                            + expected.get().tp() + ", the node of " + peer.location() + " runs " + actual.dp()
                            + " and "
                            + actual.tp(),
                    "give the sizes that the other side runs");
        }
    }

    // ---- what all nodes of a model have in common

    private static void likeTheFirst(ScriptedDeployment deployment, Findings findings) {
        List<NodeStart> nodes = deployment.nodes().stream()
                .filter(node -> node.handoff().isPresent())
                .toList();
        for (int i = 1; i < nodes.size(); i++) {
            names(nodes.getFirst(), nodes.get(i), findings);
            models(nodes.getFirst(), nodes.get(i), findings);
        }
    }

    private static void names(NodeStart first, NodeStart node, Findings findings) {
        List<String> theirs = first.flags().model().names();
        List<String> ours = node.flags().model().names();
        boolean isHeadless = node.parallel().isHeadless() || first.parallel().isHeadless();
        if (ours.stream().noneMatch(theirs::contains) && !isHeadless) {
            findings.error(
                    node.call().at("served-model-name"),
                    "served as " + String.join(", ", ours) + ", and as " + String.join(", ", theirs) + " in "
                            + first.location() + ": a request that one of them takes gets 404 from the other",
                    "give both the same --served-model-name");
        } else if (!ours.equals(theirs) && !isHeadless) {
            findings.warning(
                    node.call().at("served-model-name"),
                    "served as " + String.join(", ", ours) + ", and as " + String.join(", ", theirs) + " in "
                            + first.location() + ": requests must use a name that both have",
                    "give both the same names");
        }
    }

    private static void models(NodeStart first, NodeStart node, Findings findings) {
        ServeFlags.Model theirs = first.flags().model();
        ServeFlags.Model ours = node.flags().model();
        if (!ours.checkpoint().equals(theirs.checkpoint())) {
            findings.note(
                    node.location(),
                    "the checkpoint is " + ours.checkpoint() + " here and " + theirs.checkpoint() + " in "
                            + first.location()
                            + ": their fingerprints tell whether they are the same when the nodes meet");
        }
        differ("max-model-len", node, ours.maxModelLength(), first, theirs.maxModelLength(), findings);
        differ(
                "quantization",
                node,
                ours.numerics().quantization(),
                first,
                theirs.numerics().quantization(),
                findings);
        differ("dtype", node, ours.numerics().dtype(), first, theirs.numerics().dtype(), findings);
        differ(
                "kv-cache-dtype",
                node,
                ours.numerics().kvCacheDtype(),
                first,
                theirs.numerics().kvCacheDtype(),
                findings);
        differ(
                "seed",
                node,
                ours.generation().seed(),
                first,
                theirs.generation().seed(),
                findings);
    }

    private static void differ(
            String flag, NodeStart node, Object ours, NodeStart first, Object theirs, Findings findings) {
        if (!ours.equals(theirs)) {
            findings.warning(
                    node.call().at(flag),
                    "--" + flag + " is " + text(ours) + " here and " + text(theirs) + " in " + first.location(),
                    "make them equal");
        }
    }

    private static String text(Object value) {
        return value instanceof Optional<?> optional
                ? optional.map(String::valueOf).orElse("absent")
                : value.toString();
    }

    // ---- what may differ between the sides

    private static void acrossSides(ScriptedDeployment deployment, Findings findings) {
        if (deployment.prefill().isEmpty()) {
            return;
        }
        NodeStart prefill = deployment.prefill().getFirst();
        for (NodeStart decode : deployment.decode()) {
            ServeFlags.Cache ours = decode.flags().cache();
            ServeFlags.Cache theirs = prefill.flags().cache();
            if (ours.cachesPrefixes() != theirs.cachesPrefixes()) {
                findings.note(
                        decode.call().at("no-enable-prefix-caching"),
                        "prefix caching is " + (ours.cachesPrefixes() ? "on" : "off") + " here and "
                                + (theirs.cachesPrefixes() ? "on" : "off") + " in " + prefill.location()
                                + ": it matters when figures are compared");
            }
            if (Double.compare(ours.utilization(), theirs.utilization()) != 0) {
                findings.note(
                        decode.call().at("gpu-memory-utilization"),
                        "--gpu-memory-utilization is " + ours.utilization() + " here and " + theirs.utilization()
                                + " in " + prefill.location());
            }
        }
    }
}
