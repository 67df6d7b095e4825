package dev.tandem.ops.launch;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.Topology.Connector;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.NodeSpec;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The processes of a topology, in the order of the start table. Pure: {@code up} carries it out.
 *
 * @param processes gateway first
 */
public record LaunchPlan(List<ProcessPlan> processes) {
    public LaunchPlan {
        processes = List.copyOf(processes);
    }

    /**
     * The command lines that a topology stands for.
     *
     * @throws FlagException when a node's flags contradict each other, naming the node
     */
    public static LaunchPlan of(Topology topology) {
        var processes = new ArrayList<ProcessPlan>();
        processes.add(new ProcessPlan("gateway", "gateway", topology.gateway(), gateway(topology)));
        addNodes(processes, topology, "prefill", topology.prefill());
        addNodes(processes, topology, "decode", topology.decode());
        var problems = new ArrayList<String>();
        processes.stream()
                .filter(process -> !process.role().equals("gateway"))
                .forEach(process -> check(process, problems));
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return new LaunchPlan(processes);
    }

    /** Nodes are asked before any is started whether they understand their words. */
    private static void check(ProcessPlan process, List<String> problems) {
        try {
            ServeFlags.parse(process.words().subList(1, process.words().size()));
        } catch (FlagException e) {
            e.problems().forEach(problem -> problems.add(process.name() + ": " + problem));
        }
    }

    private static List<String> gateway(Topology topology) {
        var words = new ArrayList<String>(List.of("proxy"));
        if (topology.connector() == Connector.LAYERWISE) {
            words.add("--layerwise");
        }
        words.addAll(List.of(
                "--host",
                topology.gateway().host(),
                "--port",
                Integer.toString(topology.gateway().port())));
        addList(words, "prefiller", Topology.withHttp(topology.prefill()));
        addList(words, "decoder", Topology.withHttp(topology.decode()));
        return words;
    }

    private static void addList(List<String> words, String side, List<NodeSpec> nodes) {
        words.add("--" + side + "-hosts");
        nodes.forEach(node -> words.add(node.http().host()));
        words.add("--" + side + "-ports");
        nodes.forEach(node -> words.add(Integer.toString(node.http().port())));
    }

    private static void addNodes(List<ProcessPlan> processes, Topology topology, String role, List<NodeSpec> nodes) {
        for (int i = 0; i < nodes.size(); i++) {
            NodeSpec node = nodes.get(i);
            boolean isHeadless = node.ranks().join().isHeadless();
            processes.add(new ProcessPlan(
                    role + "-" + i,
                    role,
                    isHeadless ? new Endpoint(node.http().host(), 0) : node.http(),
                    ServeWords.of(topology, node, role.equals("prefill")),
                    variables(node)));
        }
    }

    /** The node's host is the address that peers are told, unless the file says another. */
    private static Map<String, String> variables(NodeSpec node) {
        var variables = new LinkedHashMap<String, String>();
        if (node.http().host().matches("[0-9.]+|.*:.*")) {
            variables.put("HCCL_IF_IP", node.http().host());
        }
        variables.putAll(node.settings().environment());
        return variables;
    }
}
