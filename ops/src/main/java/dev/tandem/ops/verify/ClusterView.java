package dev.tandem.ops.verify;

import dev.tandem.ops.verify.ClusterNode.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * What stands behind the address that is verified, as far as it can be learnt.
 *
 * @param isNode whether that address is a node itself, and no gateway
 * @param path how KV moves: {@code pull} or {@code layerwise}; empty where nobody says
 * @param nodes those whose addresses are known
 */
record ClusterView(boolean isNode, Optional<String> path, List<ClusterNode> nodes) {
    ClusterView {
        nodes = List.copyOf(nodes);
    }

    /**
     * Looks around: the gateway's list of nodes, what each says of itself, and the nodes that were given.
     *
     * @param healthcheck the page of that name
     */
    static ClusterView of(Caller caller, Target target, List<ClusterNode> given, Reply healthcheck)
            throws InterruptedException {
        Self self = Self.of(caller, target);
        boolean isNode = self.role.isEmpty()
                ? !healthcheck.isOk() && sample(caller, target).isOfANode()
                : !self.role.equals("gateway");
        var nodes = new ArrayList<ClusterNode>();
        if (isNode) {
            nodes.add(new ClusterNode(target, Role.of(self.role)));
        }
        for (JsonNode listed : healthcheck.json().path("nodes")) {
            Role role = Role.of(listed.path("role").asString(""));
            Target.find(listed.path("node").asString("")).ifPresent(node -> add(nodes, new ClusterNode(node, role)));
        }
        Optional<String> path = self.path;
        for (ClusterNode node : given) {
            Self told = Self.of(caller, node.target());
            path = path.or(() -> told.path);
            add(nodes, node.role() == Role.UNKNOWN ? new ClusterNode(node.target(), Role.of(told.role)) : node);
        }
        return new ClusterView(isNode, path, nodes);
    }

    /** What a program of ours says of itself on {@code /version}; empty of another. */
    private record Self(String role, Optional<String> path) {
        static Self of(Caller caller, Target target) throws InterruptedException {
            JsonNode node = caller.get(target, "/version").json().path("node");
            return new Self(
                    node.path("role").asString(""),
                    Optional.of(node.path("handoff").asString("")).filter(word -> !word.isEmpty()));
        }
    }

    private static void add(List<ClusterNode> nodes, ClusterNode node) {
        boolean isKnown = nodes.stream()
                .anyMatch(
                        known -> known.target().authority().equals(node.target().authority()));
        if (!isKnown) {
            nodes.add(node);
        }
    }

    /** A node's metrics now; none when it shows none. */
    static MetricsSample sample(Caller caller, Target target) throws InterruptedException {
        Reply page = caller.get(target, "/metrics");
        return page.isOk()
                ? MetricsSample.parse(
                        page.lines().stream().map(Reply.Line::text).toList())
                : MetricsSample.NONE;
    }

    /** Nodes of a role. */
    List<ClusterNode> nodes(Role role) {
        return nodes.stream().filter(node -> node.role() == role).toList();
    }

    /** Nodes that can be asked for an aggregated answer, the best first: decode nodes, those of no known role, prefill nodes. */
    List<ClusterNode> aggregating() {
        var candidates = new ArrayList<>(nodes(Role.DECODE));
        candidates.addAll(nodes(Role.BOTH));
        candidates.addAll(nodes(Role.AGGREGATED));
        candidates.addAll(nodes(Role.UNKNOWN));
        candidates.addAll(nodes(Role.PREFILL));
        return List.copyOf(candidates);
    }

    /** Nodes that may hold blocks of a prompt that another one decodes, and a node that does everything itself. */
    List<ClusterNode> lending() {
        return nodes.stream()
                .filter(node -> isNode || node.role() != Role.DECODE)
                .toList();
    }
}
