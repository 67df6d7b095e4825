package dev.tandem.preflight.script.rule;

import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.NodeStart;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a head and its headless nodes must agree on. */
final class JoinRules {
    private JoinRules() {}

    static void check(ScriptedDeployment deployment, Findings findings) {
        List<NodeStart> heads = deployment.nodes().stream()
                .filter(node -> node.parallel().isHead())
                .toList();
        heads.forEach(head -> headAddress(head, findings));
        Map<NodeStart, List<NodeStart>> joined = new LinkedHashMap<>();
        heads.forEach(head -> joined.put(head, new ArrayList<>()));
        for (NodeStart node : deployment.nodes()) {
            if (node.parallel().isHeadless()) {
                Optional<NodeStart> head = headOf(node, heads);
                if (head.isPresent()) {
                    joined.getOrDefault(head.get(), new ArrayList<>()).add(node);
                    compare(head.get(), node, findings);
                } else {
                    headIsMissing(node, deployment, heads, findings);
                }
            }
        }
        if (deployment.isWhole() && deployment.nodes().size() > 1) {
            joined.forEach((head, others) -> ranks(head, others, findings));
        }
    }

    private static Optional<NodeStart> headOf(NodeStart node, List<NodeStart> heads) {
        Parallel.Head wanted = node.parallel().head();
        return heads.stream()
                .filter(head -> head.parallel().head().address().equals(wanted.address())
                        && head.parallel().head().rpcPort() == wanted.rpcPort())
                .findFirst();
    }

    private static void headAddress(NodeStart head, Findings findings) {
        String address = head.parallel().head().address();
        if (head.host().filter(host -> !host.equals(address)).isPresent()
                && !head.call().command().scene().isUnknown(address)) {
            findings.warning(
                    head.call().at("data-parallel-address"),
                    "--data-parallel-address " + address + " is not the address that this head tells others, "
                            + head.host().orElseThrow(),
                    "give the head its own address, on all nodes of the deployment alike");
        }
    }

    private static void headIsMissing(
            NodeStart node, ScriptedDeployment deployment, List<NodeStart> heads, Findings findings) {
        if (!deployment.isWhole() || deployment.nodes().size() < 2) {
            return;
        }
        Parallel.Head wanted = node.parallel().head();
        String known = String.join(
                ", ",
                heads.stream()
                        .map(head -> head.parallel().head().address() + ":"
                                + head.parallel().head().rpcPort() + " (" + head.location() + ")")
                        .toList());
        findings.error(
                node.call().at("data-parallel-address"),
                "this headless node joins " + wanted.address() + ":" + wanted.rpcPort()
                        + ", and no head of these scripts meets there",
                known.isEmpty() ? "give check the head's script too" : "heads meet at " + known);
    }

    private static void compare(NodeStart head, NodeStart node, Findings findings) {
        ServeFlags ours = node.flags();
        ServeFlags theirs = head.flags();
        var pair = new Pair(head, node, findings);
        pair.mustEqual(
                "data-parallel-size",
                theirs.parallel().data().size(),
                ours.parallel().data().size());
        pair.mustEqual(
                "tensor-parallel-size",
                theirs.parallel().tensor(),
                ours.parallel().tensor());
        pair.mustEqual(
                "enable-expert-parallel",
                theirs.parallel().hasExpertParallel(),
                ours.parallel().hasExpertParallel());
        pair.mustEqual(
                "dtype",
                theirs.model().numerics().dtype(),
                ours.model().numerics().dtype());
        pair.mustEqual(
                "kv-cache-dtype",
                theirs.model().numerics().kvCacheDtype(),
                ours.model().numerics().kvCacheDtype());
        pair.mustEqual("block-size", theirs.cache().blockSize(), ours.cache().blockSize());
        pair.mustEqual(
                "max-model-len", theirs.model().maxModelLength(), ours.model().maxModelLength());
        pair.mayDiffer(
                "seed",
                theirs.model().generation().seed(),
                ours.model().generation().seed());
    }

    /** The flags of a head and of a node that joins it. */
    private record Pair(NodeStart head, NodeStart node, Findings findings) {
        void mustEqual(String flag, Object theirs, Object ours) {
            if (!theirs.equals(ours)) {
                findings.error(
                        node.call().at(flag), sentence(flag, theirs, ours), "make them equal: the head refuses it");
            }
        }

        void mayDiffer(String flag, Object theirs, Object ours) {
            if (!theirs.equals(ours)) {
                findings.warning(node.call().at(flag), sentence(flag, theirs, ours), "make them equal");
            }
        }

        private String sentence(String flag, Object theirs, Object ours) {
            return "--" + flag + " " + text(ours) + " of this headless node, " + text(theirs) + " of its head, "
                    + head.location();
        }

        private static String text(Object value) {
            return value instanceof Optional<?> optional
                    ? optional.map(String::valueOf).orElse("(absent)")
                    : value.toString();
        }
    }

    /** Each replica runs once. */
    private static void ranks(NodeStart head, List<NodeStart> others, Findings findings) {
        int size = head.parallel().data().size();
        var owners = new NodeStart[size];
        var all = new ArrayList<>(List.of(head));
        all.addAll(others);
        for (NodeStart node : all) {
            Parallel.Data data = node.parallel().data();
            for (int rank = data.startRank(); rank < Math.min(size, data.startRank() + data.localSize()); rank++) {
                if (owners[rank] != null) {
                    findings.error(
                            node.call().at("data-parallel-start-rank"),
                            "replica " + rank + " runs here and in " + owners[rank].location(),
                            "give each node replicas of its own with --data-parallel-start-rank");
                    break;
                }
                owners[rank] = node;
            }
        }
        missing(head, owners, findings);
    }

    private static void missing(NodeStart head, NodeStart[] owners, Findings findings) {
        var missing = new ArrayList<Integer>();
        for (int rank = 0; rank < owners.length; rank++) {
            if (owners[rank] == null) {
                missing.add(rank);
            }
        }
        if (!missing.isEmpty()) {
            findings.error(
                    head.call().at("data-parallel-size"),
                    missing.size() + " of " + owners.length + " replicas, the first of them " + missing.getFirst()
                            + ", run on none of these nodes: the head waits for them",
                    "give check the scripts of all nodes, or start a headless node with --data-parallel-start-rank "
                            + missing.getFirst());
        }
    }
}
