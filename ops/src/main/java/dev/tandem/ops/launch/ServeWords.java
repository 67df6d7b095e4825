package dev.tandem.ops.launch;

import dev.tandem.node.flags.Flag;
import dev.tandem.node.flags.FlagTable;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.Topology.Connector;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.ops.topology.Topology.Ranks;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The command line of a node, flags in the order in which the deployment guides write them. Pure. */
final class ServeWords {
    private static final List<String> ORDER = List.of(
            "host",
            "port",
            "api-server-count",
            "headless",
            "data-parallel-size",
            "data-parallel-size-local",
            "data-parallel-start-rank",
            "data-parallel-address",
            "data-parallel-rpc-port",
            "tensor-parallel-size",
            "enable-expert-parallel",
            "seed",
            "enforce-eager",
            "quantization",
            "distributed-executor-backend",
            "served-model-name",
            "max-model-len",
            "max-num-batched-tokens",
            "max-num-seqs",
            "trust-remote-code",
            "enable-prefix-caching",
            "gpu-memory-utilization",
            "compilation-config",
            "additional-config");

    private final Topology topology;
    private final NodeSpec node;

    private ServeWords(Topology topology, NodeSpec node) {
        this.topology = topology;
        this.node = node;
    }

    /** The words behind {@code tandem}. */
    static List<String> of(Topology topology, NodeSpec node, boolean isPrefill) {
        var writer = new ServeWords(topology, node);
        var words = new ArrayList<String>(List.of(
                "serve",
                node.settings()
                        .checkpoint()
                        .orElse(topology.model().checkpoint())
                        .toString()));
        Map<String, String> flags = writer.flags();
        for (String name : ORDER) {
            if (flags.containsKey(name)) {
                add(words, name, String.valueOf(flags.get(name)));
            }
        }
        flags.forEach((name, value) -> {
            if (!ORDER.contains(name)) {
                add(words, name, value);
            }
        });
        add(words, "kv-transfer-config", writer.kvTransfer(isPrefill));
        return words;
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

    private static void add(List<String> words, String name, String value) {
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

    /** The JSON as the guides set it, so that both can be read side by side. */
    private String kvTransfer(boolean isPrefill) {
        return topology.connector() == Connector.LLMDATADIST ? dataDist(isPrefill) : mooncake(isPrefill);
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
