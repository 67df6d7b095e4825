package dev.tandem.ops.topology;

import dev.tandem.node.flags.ServeFlags;
import dev.tandem.node.flags.YamlNode;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.Handoff;
import dev.tandem.ops.topology.Topology.Join;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.ops.topology.Topology.Ranks;
import dev.tandem.ops.topology.Topology.Settings;
import dev.tandem.trust.PeerTrust;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Reads the nodes of one side. What the document, the side and the node say of environment, flags and parallel sizes lies one over the
 * other, the node's own on top.
 */
final class SideReader {
    private static final Set<String> NODE_KEYS =
            Set.of("host", "port", "kv-port", "engine-id", "model", "headless", "parallel", "environment", "flags");
    private static final Set<String> PARALLEL_KEYS = Set.of("tensor", "data", "local", "rpc-port");
    /** Flags that a topology sets by keys of its own, and by which. */
    private static final FlagEntries FLAGS = new FlagEntries(
            "serve",
            ServeFlags.table(),
            Map.ofEntries(
                    Map.entry("model", "model"),
                    Map.entry("served-model-name", "served-model-name"),
                    Map.entry("host", "host"),
                    Map.entry("port", "port"),
                    Map.entry("headless", "headless"),
                    Map.entry("tensor-parallel-size", "parallel: {tensor: …}"),
                    Map.entry("data-parallel-size", "parallel: {data: …}"),
                    Map.entry("data-parallel-size-local", "parallel: {local: …}"),
                    Map.entry("data-parallel-rpc-port", "parallel: {rpc-port: …}"),
                    Map.entry("data-parallel-start-rank", "the order of the nodes"),
                    Map.entry("data-parallel-address", "the order of the nodes"),
                    Map.entry("kv-transfer-config", "connector, kv-port and engine-id")));

    private static final int MAX_SIZE = 1 << 16;
    private static final int MAX_PORT = 65_535;
    private static final int DEFAULT_RPC_PORT = 29_550;

    private final TopologyReader reader;
    private final String side;
    private final int firstEngine;
    private final Map<String, String> environment = new LinkedHashMap<>();
    private final Map<String, String> flags = new LinkedHashMap<>();
    private final Map<String, Integer> parallel = new LinkedHashMap<>();

    /**
     * Starts with nothing in common.
     *
     * @param firstEngine number of the first node, its {@code engine_id} unless it says another
     */
    SideReader(TopologyReader reader, String side, int firstEngine) {
        this.reader = reader;
        this.side = side;
        this.firstEngine = firstEngine;
    }

    /** Puts the entries of the document or the side over what is in common so far. */
    void common(Map<String, YamlNode> entries) {
        environment.putAll(environment(entries));
        flags.putAll(FLAGS.read(reader, entries));
        parallel.putAll(parallel(entries));
    }

    List<NodeSpec> nodes(YamlNode list) {
        List<YamlNode> items = list.items().orElseThrow(() -> reader.at(list, side + " must have its nodes in a list"));
        if (items.isEmpty()) {
            throw reader.at(list, side + " has no nodes; at least 1 is needed");
        }
        var nodes = new ArrayList<NodeSpec>();
        for (YamlNode item : items) {
            nodes.add(node(item, nodes));
        }
        refuseMissingReplicas(list, nodes);
        return nodes;
    }

    private NodeSpec node(YamlNode item, List<NodeSpec> before) {
        String what = "a node of " + side;
        Endpoint http = reader.endpoint(item, what, NODE_KEYS);
        Map<String, YamlNode> entries = reader.mapping(item, what, NODE_KEYS);
        var ownFlags = new LinkedHashMap<>(flags);
        ownFlags.putAll(FLAGS.read(reader, entries));
        var ownEnvironment = new LinkedHashMap<>(environment);
        ownEnvironment.putAll(environment(entries));
        Optional<YamlNode> model = Optional.ofNullable(entries.get("model"));
        Optional<YamlNode> engineId = Optional.ofNullable(entries.get("engine-id"));
        int kvPort = reader.whole(reader.required(item, entries, "kv-port"), "kv-port", 1, MAX_PORT);
        return new NodeSpec(
                http,
                new Handoff(
                        engineId.map(node -> reader.text(node, "engine-id"))
                                .orElse(Integer.toString(firstEngine + before.size())),
                        kvPort),
                ranks(item, entries, http, before),
                new Settings(model.map(node -> Path.of(reader.text(node, "model"))), ownEnvironment, ownFlags));
    }

    private Ranks ranks(YamlNode item, Map<String, YamlNode> entries, Endpoint http, List<NodeSpec> before) {
        var own = new LinkedHashMap<>(parallel);
        own.putAll(parallel(entries));
        int data = own.getOrDefault("data", 1);
        int local = own.getOrDefault("local", data);
        int tensor = own.getOrDefault("tensor", 1);
        YamlNode headless = entries.get("headless");
        if (headless == null || !reader.isTrue(headless, "headless")) {
            refuseMoreThanAll(item, local, 0, data);
            var join = new Join(new Endpoint(http.host(), own.getOrDefault("rpc-port", DEFAULT_RPC_PORT)), false);
            return new Ranks(tensor, data, local, 0, join);
        }
        if (before.isEmpty()) {
            throw reader.at(item, "a headless node follows its head, and this is the first node of " + side);
        }
        Ranks previous = before.getLast().ranks();
        if (previous.tensor() != tensor || previous.data() != data) {
            throw reader.at(
                    item,
                    "the headless node has tensor " + tensor + " and data " + data + ", its head has tensor "
                            + previous.tensor() + " and data " + previous.data() + "; they must be equal");
        }
        int start = previous.start() + previous.local();
        refuseMoreThanAll(item, local, start, data);
        return new Ranks(tensor, data, local, start, new Join(previous.join().head(), true));
    }

    private void refuseMoreThanAll(YamlNode item, int local, int start, int data) {
        if (start + local > data) {
            throw reader.at(
                    item,
                    "this node's " + local + " replicas after " + start + " others exceed data " + data
                            + (start < data ? "; local " + (data - start) + " would fit" : ""));
        }
    }

    private void refuseMissingReplicas(YamlNode list, List<NodeSpec> nodes) {
        for (int i = 0; i < nodes.size(); i++) {
            boolean isLast =
                    i + 1 == nodes.size() || !nodes.get(i + 1).ranks().join().isHeadless();
            Ranks ranks = nodes.get(i).ranks();
            int placed = ranks.start() + ranks.local();
            if (isLast && placed < ranks.data()) {
                throw reader.at(
                        list,
                        "the nodes of " + side + " up to " + nodes.get(i).http() + " run " + placed
                                + " replicas of data " + ranks.data() + "; add a headless node with local "
                                + (ranks.data() - placed));
            }
        }
    }

    private Map<String, Integer> parallel(Map<String, YamlNode> entries) {
        var sizes = new LinkedHashMap<String, Integer>();
        YamlNode node = entries.get("parallel");
        if (node != null) {
            reader.mapping(node, "parallel of " + side, PARALLEL_KEYS).forEach((key, value) -> {
                int max = key.equals("rpc-port") ? MAX_PORT : MAX_SIZE;
                int min = key.equals("local") ? 0 : 1;
                sizes.put(key, reader.whole(value, key, min, max));
            });
        }
        return sizes;
    }

    private Map<String, String> environment(Map<String, YamlNode> entries) {
        var variables = new LinkedHashMap<String, String>();
        YamlNode token = entries.get("cluster-token-file");
        if (token != null) {
            variables.put(PeerTrust.TOKEN_FILE, reader.text(token, "cluster-token-file"));
        }
        YamlNode node = entries.get("environment");
        if (node != null) {
            node.entries()
                    .orElseThrow(() -> reader.at(node, "environment must be a mapping of variable to value"))
                    .forEach((name, value) -> variables.put(
                            name, value.text().orElseThrow(() -> reader.at(value, name + " must be a single value"))));
        }
        return variables;
    }
}
