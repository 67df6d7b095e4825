package dev.tandem.ops.launch;

import dev.tandem.node.flags.Flag;
import dev.tandem.node.flags.FlagTable;
import dev.tandem.ops.topology.Topology;
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

    /** The command lines that a topology stands for. */
    public static LaunchPlan of(Topology topology) {
        var processes = new ArrayList<ProcessPlan>();
        processes.add(new ProcessPlan("gateway", "gateway", topology.gateway(), gateway(topology)));
        int engineId = 0;
        for (int i = 0; i < topology.prefill().size(); i++) {
            processes.add(node(topology, "prefill", i, topology.prefill().get(i), engineId++));
        }
        for (int i = 0; i < topology.decode().size(); i++) {
            processes.add(node(topology, "decode", i, topology.decode().get(i), engineId++));
        }
        return new LaunchPlan(processes);
    }

    private static List<String> gateway(Topology topology) {
        var words = new ArrayList<String>(List.of(
                "proxy",
                "--host",
                topology.gateway().host(),
                "--port",
                Integer.toString(topology.gateway().port())));
        addList(words, "prefiller", topology.prefill());
        addList(words, "decoder", topology.decode());
        return words;
    }

    private static void addList(List<String> words, String side, List<NodeSpec> nodes) {
        words.add("--" + side + "-hosts");
        nodes.forEach(node -> words.add(node.http().host()));
        words.add("--" + side + "-ports");
        nodes.forEach(node -> words.add(Integer.toString(node.http().port())));
    }

    private static ProcessPlan node(Topology topology, String role, int index, NodeSpec node, int engineId) {
        var words = new ArrayList<String>(List.of(
                "serve", topology.model().toString(),
                "--host", node.http().host(),
                "--port", Integer.toString(node.http().port()),
                "--served-model-name", topology.servedName()));
        Map<String, String> flags = new LinkedHashMap<>(topology.flags());
        flags.putAll(node.flags());
        flags.forEach((name, value) -> addFlag(words, name, value));
        words.add("--kv-transfer-config");
        words.add(kvTransfer(role, node.kvPort(), engineId));
        return new ProcessPlan(role + "-" + index, role, node.http(), words);
    }

    private static void addFlag(List<String> words, String name, String value) {
        boolean isSwitch = FlagTable.find(name)
                .map(Flag::kind)
                .filter(kind -> kind == Flag.Kind.SWITCH)
                .isPresent();
        if (isSwitch) {
            words.add((value.equals("false") ? "--no-" : "--") + name);
        } else {
            words.add("--" + name);
            words.add(value);
        }
    }

    private static String kvTransfer(String role, int kvPort, int engineId) {
        return "{\"kv_connector\":\"MooncakeConnector\",\"kv_role\":\""
                + (role.equals("prefill") ? "kv_producer" : "kv_consumer")
                + "\",\"kv_port\":\"" + kvPort + "\",\"engine_id\":\"" + engineId
                + "\",\"kv_connector_extra_config\":{\"prefill\":{\"dp_size\":1,\"tp_size\":1},\"decode\":{\"dp_size\":1,\"tp_size\":1}}}";
    }
}
