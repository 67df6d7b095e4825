package dev.tandem.ops.launch;

import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.preflight.ranktable.DeviceCounts;
import dev.tandem.preflight.ranktable.RankTablePlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The rank table of a topology whose nodes find each other by a table, and the command that makes it on each host. Pure; the topology has been
 * checked to fit into a table.
 *
 * @param plan which nodes have which devices, one rank per device
 * @param card network card of all hosts, where the topology names one
 */
public record RankTableStep(RankTablePlan plan, Optional<String> card) {
    /** The variable that tells a node where the table lies. */
    public static final String VARIABLE = "DISAGGREGATED_PREFILL_RANK_TABLE_PATH";

    /** The table's path where no other is given: in the folder where the nodes are started. */
    public static final Path DEFAULT_PATH = Path.of("ranktable.json");

    private static final List<String> CARD_VARIABLES = List.of("HCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME");

    /** The step of a topology; none where the connector needs no table. */
    public static Optional<RankTableStep> of(Topology topology) {
        if (topology.connector() != KvConnectorName.LLM_DATA_DIST) {
            return Optional.empty();
        }
        List<NodeSpec> nodes = topology.nodes();
        int perNode = nodes.stream().mapToInt(RankTableStep::ranks).max().orElseThrow();
        var counts = new DeviceCounts(perNode, sum(topology.prefill()), sum(topology.decode()));
        List<String> hosts = nodes.stream().map(node -> node.http().host()).toList();
        return Optional.of(new RankTableStep(new RankTablePlan(hosts, counts), card(nodes.getFirst())));
    }

    private static int ranks(NodeSpec node) {
        return node.ranks().localRanks();
    }

    private static int sum(List<NodeSpec> nodes) {
        return nodes.stream().mapToInt(RankTableStep::ranks).sum();
    }

    private static Optional<String> card(NodeSpec node) {
        return CARD_VARIABLES.stream()
                .flatMap(name -> Stream.ofNullable(node.settings().environment().get(name)))
                .findFirst();
    }

    /** The command line behind {@code tandem}, to be run on each host at once. */
    public List<String> arguments(Path output) {
        var arguments = new ArrayList<>(List.of("ranktable", "--ips"));
        arguments.addAll(plan.nodes());
        arguments.addAll(
                List.of("--npus-per-node", Integer.toString(plan.counts().perNode())));
        card.ifPresent(name -> arguments.addAll(List.of("--network-card-name", name)));
        arguments.addAll(List.of(
                "--prefill-device-cnt",
                Integer.toString(plan.counts().prefill()),
                "--decode-device-cnt",
                Integer.toString(plan.counts().decode()),
                "--output",
                output.toString()));
        return arguments;
    }
}
