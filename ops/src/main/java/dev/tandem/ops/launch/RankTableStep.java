package dev.tandem.ops.launch;

import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTable;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.Topology.Connector;
import dev.tandem.ops.topology.Topology.NodeSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The rank table of a topology whose nodes find each other by one: the command that makes it on hosts of one's own, and the table itself
 * for nodes without accelerators. Pure; the topology has been checked to fit into a table.
 *
 * @param hosts of all nodes, prefill nodes first
 * @param counts of devices, a rank each
 * @param card network card of all hosts, where the topology names one
 */
public record RankTableStep(List<String> hosts, Counts counts, Optional<String> card) {
    /** The variable that tells a node where the table lies. */
    public static final String VARIABLE = "DISAGGREGATED_PREFILL_RANK_TABLE_PATH";

    /** Where it lies unless somebody says another place: where the nodes are started. */
    public static final Path DEFAULT_PATH = Path.of("ranktable.json");

    private static final List<String> CARD_VARIABLES = List.of("HCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME");

    /** Devices of each node, of all prefill nodes and of all decode nodes. */
    public record Counts(int perNode, int prefill, int decode) {}

    public RankTableStep {
        hosts = List.copyOf(hosts);
    }

    /** The step of a topology; none where the connector needs no table. */
    public static Optional<RankTableStep> of(Topology topology) {
        if (topology.connector() != Connector.LLMDATADIST) {
            return Optional.empty();
        }
        List<NodeSpec> nodes = topology.nodes();
        int perNode = nodes.stream().mapToInt(RankTableStep::ranks).max().orElseThrow();
        var counts = new Counts(perNode, sum(topology.prefill()), sum(topology.decode()));
        return Optional.of(new RankTableStep(
                nodes.stream().map(node -> node.http().host()).toList(), counts, card(nodes.getFirst())));
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
    public List<String> words(Path output) {
        var words = new ArrayList<>(List.of("ranktable", "--ips"));
        words.addAll(hosts);
        words.addAll(List.of("--npus-per-node", Integer.toString(counts.perNode)));
        card.ifPresent(name -> words.addAll(List.of("--network-card-name", name)));
        words.addAll(List.of(
                "--prefill-device-cnt",
                Integer.toString(counts.prefill),
                "--decode-device-cnt",
                Integer.toString(counts.decode),
                "--output",
                output.toString()));
        return words;
    }

    /** The table of these nodes when none of them has an accelerator: each of a node's devices has the node's address. */
    public RankTable withoutAccelerators() {
        var devices = new ArrayList<Device>();
        for (String host : hosts) {
            for (int id = 0; id < counts.perNode; id++) {
                devices.add(new Device(host, id, host, Optional.empty(), devices.size() + 1));
            }
        }
        int used = counts.prefill + counts.decode;
        return new RankTable(devices.subList(0, counts.prefill), devices.subList(counts.prefill, used));
    }
}
