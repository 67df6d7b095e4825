package dev.tandem.ops.topology;

import dev.tandem.node.flags.PortPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.NodeSpec;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.function.Function;

/** What two nodes of one topology must not share: names, and ports of one host. Pure. */
final class TopologyChecks {
    private TopologyChecks() {}

    /**
     * Refuses a topology whose nodes get into each other's way.
     *
     * @param refusal makes the exception of a sentence
     */
    static void refuseClashes(Topology topology, Function<String, TopologyException> refusal) {
        List<NodeSpec> nodes = topology.nodes();
        refuseEqualEngineIds(nodes, refusal);
        refuseEqualPorts(topology, refusal);
        for (int i = 0; i < nodes.size(); i++) {
            for (int j = 0; j < i; j++) {
                refuseOverlap(nodes.get(j), nodes.get(i), refusal);
            }
        }
    }

    /** The ports of a node's ranks. */
    static PortPlan ports(NodeSpec node) {
        return new PortPlan(
                node.handoff().kvPort(),
                node.ranks().tensor(),
                node.ranks().start(),
                node.ranks().local());
    }

    private static void refuseEqualEngineIds(List<NodeSpec> nodes, Function<String, TopologyException> refusal) {
        var ids = new HashSet<String>();
        for (NodeSpec node : nodes) {
            if (!ids.add(node.handoff().engineId())) {
                throw refusal.apply(
                        "two nodes have the engine-id " + node.handoff().engineId()
                                + "; a decode node takes one of the same id for itself: give each its own");
            }
        }
    }

    private static void refuseEqualPorts(Topology topology, Function<String, TopologyException> refusal) {
        Map<Endpoint, String> owners = new HashMap<>();
        owners.put(topology.gateway(), "the gateway");
        for (NodeSpec node : topology.nodes()) {
            boolean isHeadless = node.ranks().join().isHeadless();
            if (!isHeadless) {
                take(owners, node.http(), "the HTTP of a node", refusal);
            }
            if (!isHeadless && node.ranks().local() < node.ranks().data()) {
                take(owners, node.ranks().join().head(), "the rpc-port of a node", refusal);
            }
        }
        for (NodeSpec node : topology.nodes()) {
            owners.forEach((endpoint, owner) -> {
                if (endpoint.host().equals(node.http().host()) && ports(node).contains(endpoint.port())) {
                    throw refusal.apply(owner + ", " + endpoint + ", lies in the side channel of kv-port "
                            + node.handoff().kvPort() + ", " + ports(node).range());
                }
            });
        }
    }

    private static void take(
            Map<Endpoint, String> owners,
            Endpoint endpoint,
            String owner,
            Function<String, TopologyException> refusal) {
        String other = endpoint.port() == 0 ? null : owners.put(endpoint, owner);
        if (other != null) {
            throw refusal.apply(owner + " and " + other + " both want " + endpoint);
        }
    }

    private static void refuseOverlap(NodeSpec first, NodeSpec second, Function<String, TopologyException> refusal) {
        PortPlan taken = ports(first);
        PortPlan wanted = ports(second);
        if (!first.http().host().equals(second.http().host()) || !taken.overlaps(wanted)) {
            return;
        }
        OptionalInt next = wanted.nextFree(port -> !taken.contains(port));
        throw refusal.apply("kv-port " + wanted.kvPort() + " of the node at " + second.http() + " takes "
                + wanted.range() + ", and kv-port " + taken.kvPort() + " of the node at " + first.http() + " takes "
                + taken.range() + " on the same host"
                + (next.isPresent() ? "; kv-port " + next.getAsInt() + " would do" : ""));
    }
}
