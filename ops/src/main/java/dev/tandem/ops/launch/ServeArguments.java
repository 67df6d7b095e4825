package dev.tandem.ops.launch;

import dev.tandem.node.flags.Flag;
import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.ops.topology.Topology.Ranks;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/** The command line of a node, its flags in the order in which the deployment guides write them. Pure. */
final class ServeArguments {
    private final Topology topology;
    private final NodeSpec node;

    private ServeArguments(Topology topology, NodeSpec node) {
        this.topology = topology;
        this.node = node;
    }

    /** The arguments of {@code tandem}. */
    static List<String> of(Topology topology, NodeSpec node, boolean isPrefill) {
        var writer = new ServeArguments(topology, node);
        var arguments = new ArrayList<String>(List.of(
                "serve",
                node.settings()
                        .checkpoint()
                        .orElse(topology.model().checkpoint())
                        .toString()));
        var flags = new ArrayList<>(writer.flags().entrySet());
        flags.sort(Comparator.comparingInt(
                flag -> guidePosition(flag.getKey()))); // stable: the file's order for the others
        flags.forEach(flag -> add(arguments, flag.getKey(), flag.getValue()));
        add(arguments, "kv-transfer-config", writer.kvTransfer(isPrefill));
        return arguments;
    }

    private static int guidePosition(String name) {
        return ServeFlags.table()
                .find(name)
                .map(Flag::guidePosition)
                .orElse(OptionalInt.empty())
                .orElse(Integer.MAX_VALUE);
    }

    private Map<String, String> flags() {
        var flags = new LinkedHashMap<>(node.settings().flags());
        Ranks ranks = node.ranks();
        flags.put("host", node.http().host());
        flags.put("port", Integer.toString(node.http().port()));
        flags.put("served-model-name", topology.model().servedName());
        if (ranks.join().isHeadless()) {
            flags.remove("api-server-count");
            flags.put("headless", "true");
            flags.put("data-parallel-start-rank", Integer.toString(ranks.start()));
        }
        if (ranks.data() > 1) {
            flags.put("data-parallel-size", Integer.toString(ranks.data()));
            flags.put("data-parallel-size-local", Integer.toString(ranks.local()));
            flags.put("data-parallel-address", ranks.join().head().host());
            flags.put(
                    "data-parallel-rpc-port",
                    Integer.toString(ranks.join().head().port()));
        }
        if (ranks.world() > 1) {
            flags.put("tensor-parallel-size", Integer.toString(ranks.tensor()));
        }
        return flags;
    }

    private static void add(List<String> arguments, String name, String value) {
        boolean isSwitch = ServeFlags.table()
                .find(name)
                .map(Flag::kind)
                .filter(kind -> kind == Flag.Kind.SWITCH)
                .isPresent();
        if (isSwitch) {
            arguments.add((value.equals("false") ? "--no-" : "--") + name);
        } else {
            arguments.add("--" + name);
            arguments.add(value);
        }
    }

    /** The JSON as the guides set it, so that both can be read side by side. */
    private String kvTransfer(boolean isPrefill) {
        return topology.connector() == KvConnectorName.LLM_DATA_DIST ? dataDist(isPrefill) : mooncake(isPrefill);
    }

    private String dataDist(boolean isPrefill) {
        return """
                {"kv_connector": "%s",
                  "kv_buffer_device": "npu",
                  "kv_role": "%s",
                  "kv_parallel_size": 1,
                  "kv_port": "%d",
                  "engine_id": "%s",
                  "kv_connector_module_path": "%s"
                  }""".formatted(
                        topology.connector().vllmName(),
                        isPrefill ? "kv_producer" : "kv_consumer",
                        node.handoff().kvPort(),
                        node.handoff().engineId(),
                        topology.connector().modulePath());
    }

    private String mooncake(boolean isPrefill) {
        Ranks prefill = topology.prefill().getFirst().ranks();
        Ranks decode = topology.decode().getFirst().ranks();
        return """
                {"kv_connector": "%s",
                  "kv_role": "%s",
                  "kv_port": "%d",
                  "engine_id": "%s",
                  "kv_connector_module_path": "%s",
                  "kv_connector_extra_config": {
                            "prefill": {
                                    "dp_size": %d,
                                    "tp_size": %d
                             },
                             "decode": {
                                    "dp_size": %d,
                                    "tp_size": %d
                             }
                      }
                  }""".formatted(
                        topology.connector().vllmName(),
                        isPrefill ? "kv_producer" : "kv_consumer",
                        node.handoff().kvPort(),
                        node.handoff().engineId(),
                        topology.connector().modulePath(),
                        prefill.data(),
                        prefill.tensor(),
                        decode.data(),
                        decode.tensor());
    }
}
