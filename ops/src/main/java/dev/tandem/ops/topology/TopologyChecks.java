package dev.tandem.ops.topology;

import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.PortPlan;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.ops.topology.Topology.Ranks;
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
        if (topology.connector() == KvConnectorName.LLM_DATA_DIST) {
            refuseUnfitForRankTable(nodes, refusal);
        } else {
            refuseEqualEngineIds(nodes, refusal);
        }
        refuseEqualPorts(topology, refusal);
        for (int i = 0; i < nodes.size(); i++) {
            for (int j = 0; j < i; j++) {
                refuseOverlap(topology.connector(), nodes.get(j), nodes.get(i), refusal);
            }
        }
    }

    /** The ports of a node's ranks: LLMDataDistCMgrConnector numbers them from a variable and each node from its own first replica. */
    private static PortPlan ports(KvConnectorName connector, NodeSpec node) {
        Ranks ranks = node.ranks();
        if (connector != KvConnectorName.LLM_DATA_DIST) {
            return new PortPlan(node.handoff().kvPort(), ranks.tensor(), ranks.start(), ranks.local());
        }
        String given = node.settings().environment().getOrDefault(PortPlan.DATA_DIST_SETTING, "");
        int port = given.matches("[0-9]{1,5}") ? Integer.parseInt(given) : PortPlan.DATA_DIST_PORT;
        return new PortPlan(
                new PortPlan.Base(PortPlan.DATA_DIST_SETTING, port, ranks.start()),
                ranks.tensor(),
                ranks.start(),
                ranks.local());
    }

    /** The setting that numbers the ports, as the file spells it. */
    private static String setting(PortPlan ports) {
        return (ports.base().setting().equals(PortPlan.DATA_DIST_SETTING) ? PortPlan.DATA_DIST_SETTING : "kv-port")
                + " " + ports.kvPort();
    }

    /** A rank table knows nodes by address and has one number of devices for all, but for the last. */
    private static void refuseUnfitForRankTable(List<NodeSpec> nodes, Function<String, TopologyException> refusal) {
        String connector = "connector llmdatadist: ";
        int most =
                nodes.stream().mapToInt(node -> node.ranks().localRanks()).max().orElse(0);
        var hosts = new HashSet<String>();
        for (int i = 0; i < nodes.size(); i++) {
            NodeSpec node = nodes.get(i);
            String host = node.http().host();
            if (!host.matches("[0-9.]+|.*:.*")) {
                throw refusal.apply(connector + "host " + host + " is not an address; a rank table holds addresses");
            }
            if (!hosts.add(host)) {
                throw refusal.apply(connector + "two nodes have the host " + host
                        + "; a rank table knows nodes by their addresses: give each its own");
            }
            int ranks = node.ranks().localRanks();
            if (ranks < most && i + 1 < nodes.size()) {
                throw refusal.apply(connector + "the node at " + node.http() + " runs " + ranks + " ranks and another "
                        + most + "; a rank table has one number of devices for all nodes but the last");
            }
        }
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
            takeTransferPorts(owners, node, refusal);
        }
        for (NodeSpec node : topology.nodes()) {
            owners.forEach((endpoint, owner) -> {
                PortPlan ports = ports(topology.connector(), node);
                if (endpoint.host().equals(node.http().host()) && ports.contains(endpoint.port())) {
                    throw refusal.apply(owner + ", " + endpoint + ", lies in the side channel of " + setting(ports)
                            + ", " + ports.range());
                }
            });
        }
    }

    private static void takeTransferPorts(
            Map<Endpoint, String> owners, NodeSpec node, Function<String, TopologyException> refusal) {
        for (String flag : List.of("handshake-port", "transfer-port")) {
            String given = node.settings().flags().getOrDefault(flag, "0");
            if (given.matches("[0-9]{1,5}")) { // what else it may be is refused with the node's other flags
                take(
                        owners,
                        new Endpoint(node.http().host(), Integer.parseInt(given)),
                        "the " + flag + " of a node",
                        refusal);
            }
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

    private static void refuseOverlap(
            KvConnectorName connector, NodeSpec first, NodeSpec second, Function<String, TopologyException> refusal) {
        PortPlan taken = ports(connector, first);
        PortPlan wanted = ports(connector, second);
        if (!first.http().host().equals(second.http().host()) || !taken.overlaps(wanted)) {
            return;
        }
        OptionalInt next = wanted.nextFree(port -> !taken.contains(port));
        throw refusal.apply(setting(wanted) + " of the node at " + second.http() + " takes " + wanted.range() + ", and "
                + setting(taken) + " of the node at " + first.http() + " takes " + taken.range() + " on the same host"
                + (next.isPresent() ? "; " + setting(wanted.at(next.getAsInt())) + " would do" : ""));
    }
}
