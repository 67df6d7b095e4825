package dev.tandem.ops.launch;

import dev.tandem.gateway.NodeLists;
import dev.tandem.node.flags.Flag;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.preflight.proxy.ProxyFlags;
import dev.tandem.trust.PeerTrust;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The processes of a topology, in the order of the start table. Pure: {@code up} carries it out.
 *
 * @param processes gateway first
 * @param rankTable what must be there before they start; none where the connector needs no table
 * @param drainTimeout how long the gateway lets requests end when it is told to end
 */
public record LaunchPlan(List<ProcessPlan> processes, Optional<RankTableStep> rankTable, Duration drainTimeout) {
    public LaunchPlan {
        processes = List.copyOf(processes);
    }

    /**
     * The command lines that a topology stands for, with a rank table, where it needs one, in the folder where they are started.
     *
     * @throws FlagException when a node's flags contradict each other, naming the node
     */
    public static LaunchPlan of(Topology topology) {
        return of(topology, RankTableStep.DEFAULT_PATH);
    }

    /**
     * The command lines of a topology whose rank table lies elsewhere; a node whose environment names another file keeps that.
     *
     * @throws FlagException when a node's flags contradict each other, naming the node
     */
    public static LaunchPlan of(Topology topology, Path rankTable) {
        Optional<RankTableStep> step = RankTableStep.of(topology);
        var common = new LinkedHashMap<String, String>();
        step.ifPresent(needed -> common.put(RankTableStep.VARIABLE, rankTable.toString()));
        var processes = new ArrayList<ProcessPlan>();
        processes.add(
                new ProcessPlan("gateway", "gateway", topology.gateway(), gateway(topology), trustVariables(topology)));
        addNodes(processes, topology, "prefill", common);
        addNodes(processes, topology, "decode", common);
        var problems = new ArrayList<String>();
        processes.stream().filter(process -> !process.isGateway()).forEach(process -> check(process, problems));
        if (!problems.isEmpty()) {
            throw new FlagException(problems);
        }
        return new LaunchPlan(processes, step, drainTimeout(processes.getFirst()));
    }

    /** Nodes are asked before any is started whether they understand their arguments. */
    private static void check(ProcessPlan process, List<String> problems) {
        try {
            ServeFlags.parse(process.arguments().subList(1, process.arguments().size()));
        } catch (FlagException e) {
            e.problems().forEach(problem -> problems.add(process.name() + ": " + problem));
        }
    }

    private static Duration drainTimeout(ProcessPlan gateway) {
        return ProxyFlags.parse(
                        gateway.arguments().subList(1, gateway.arguments().size()))
                .config()
                .limits()
                .drainTimeout();
    }

    private static List<String> gateway(Topology topology) {
        var arguments = new ArrayList<String>(List.of("proxy"));
        if (topology.connector() == KvConnectorName.MOONCAKE_LAYERWISE) {
            arguments.add("--layerwise");
        }
        arguments.addAll(List.of(
                "--host",
                topology.gateway().host(),
                "--port",
                Integer.toString(topology.gateway().port())));
        addList(arguments, "prefiller", Topology.withHttp(topology.prefill()));
        addList(arguments, "decoder", Topology.withHttp(topology.decode()));
        gatewayFlags(topology).forEach((name, value) -> addFlag(arguments, name, value));
        return arguments;
    }

    /**
     * What the file says, and where the nodes ask for a key and the file gives the gateway none, that key: it stands between them and clients
     * that show it too.
     */
    private static Map<String, String> gatewayFlags(Topology topology) {
        var flags = new LinkedHashMap<>(topology.gatewayFlags());
        String nodeKey = topology.decode().getFirst().settings().flags().get("api-key");
        if (nodeKey != null && !flags.containsKey("node-api-key-file")) {
            flags.putIfAbsent("node-api-key", nodeKey);
            if (!flags.containsKey("api-key-file")) {
                flags.putIfAbsent("api-key", nodeKey);
            }
        }
        return flags;
    }

    private static void addFlag(List<String> arguments, String name, String value) {
        boolean isSwitch = ProxyFlags.table()
                .find(name)
                .filter(flag -> flag.kind() == Flag.Kind.SWITCH)
                .isPresent();
        if (!isSwitch) {
            arguments.addAll(List.of("--" + name, value));
        } else if (value.equals("true")) {
            arguments.add("--" + name);
        }
    }

    /** The gateway lets in whom the nodes let in. */
    private static Map<String, String> trustVariables(Topology topology) {
        var variables = new LinkedHashMap<String, String>();
        for (String name : List.of(PeerTrust.TOKEN, PeerTrust.TOKEN_FILE, PeerTrust.FOREIGN_PEERS)) {
            String value = topology.decode().getFirst().settings().environment().get(name);
            if (value != null) {
                variables.put(name, value);
            }
        }
        return variables;
    }

    private static void addList(List<String> arguments, String side, List<NodeSpec> nodes) {
        arguments.add("--" + side + "-hosts");
        nodes.forEach(node -> arguments.add(
                (node.isSecure() ? NodeLists.SECURE : "") + node.http().host()));
        arguments.add("--" + side + "-ports");
        nodes.forEach(node -> arguments.add(Integer.toString(node.http().port())));
    }

    private static void addNodes(
            List<ProcessPlan> processes, Topology topology, String role, Map<String, String> common) {
        List<NodeSpec> nodes = role.equals("prefill") ? topology.prefill() : topology.decode();
        for (int i = 0; i < nodes.size(); i++) {
            NodeSpec node = nodes.get(i);
            boolean isHeadless = node.ranks().join().isHeadless();
            processes.add(new ProcessPlan(
                    role + "-" + i,
                    role,
                    isHeadless ? new Endpoint(node.http().host(), 0) : node.http(),
                    ServeArguments.of(topology, node, role.equals("prefill")),
                    variables(node, common)));
        }
    }

    /** The node's host is the address that peers are told, unless the file says another. */
    private static Map<String, String> variables(NodeSpec node, Map<String, String> common) {
        var variables = new LinkedHashMap<>(common);
        if (node.http().host().matches("[0-9.]+|.*:.*")) {
            variables.put("HCCL_IF_IP", node.http().host());
        }
        variables.putAll(node.settings().environment());
        return variables;
    }
}
