package dev.tandem.ops.topology;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.FlagTable;
import dev.tandem.node.flags.Nearest;
import dev.tandem.node.flags.YamlNode;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.NodeSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Reads a topology document; every error names file, line and key, and an unknown key its nearest known name. */
final class TopologyReader {
    private static final Set<String> KEYS =
            Set.of("model", "served-model-name", "gateway", "prefill", "decode", "flags");
    private static final Set<String> ENDPOINT_KEYS = Set.of("host", "port");
    private static final Set<String> NODE_KEYS = Set.of("host", "port", "kv-port", "flags");

    private final String file;

    TopologyReader(String file) {
        this.file = file;
    }

    Topology read(String source) {
        YamlNode root = parse(source);
        Map<String, YamlNode> entries = mapping(root, "the document", KEYS);
        Path model = Path.of(text(required(root, entries, "model"), "model"));
        return new Topology(
                model,
                Optional.ofNullable(entries.get("served-model-name"))
                        .map(node -> text(node, "served-model-name"))
                        .orElse(String.valueOf(model.getFileName())),
                endpoint(required(root, entries, "gateway"), "gateway", ENDPOINT_KEYS),
                nodes(required(root, entries, "prefill"), "prefill"),
                nodes(required(root, entries, "decode"), "decode"),
                flags(entries));
    }

    private YamlNode parse(String source) {
        try {
            return YamlNode.parse(source, file);
        } catch (FlagException e) {
            throw new TopologyException(String.valueOf(e.getMessage()), e);
        }
    }

    private List<NodeSpec> nodes(YamlNode node, String key) {
        List<YamlNode> items = node.items().orElseThrow(() -> at(node, key + " must be a list of nodes"));
        if (items.isEmpty()) {
            throw at(node, key + " has no nodes; at least 1 is needed");
        }
        var nodes = new ArrayList<NodeSpec>();
        for (YamlNode item : items) {
            Map<String, YamlNode> entries = mapping(item, "a node of " + key, NODE_KEYS);
            YamlNode kvPort = required(item, entries, "kv-port");
            nodes.add(new NodeSpec(
                    endpoint(item, "a node of " + key, NODE_KEYS), port(kvPort, "kv-port"), flags(entries)));
        }
        return nodes;
    }

    private Endpoint endpoint(YamlNode node, String what, Set<String> known) {
        Map<String, YamlNode> entries = mapping(node, what, known);
        return new Endpoint(
                text(required(node, entries, "host"), "host"), port(required(node, entries, "port"), "port"));
    }

    private Map<String, String> flags(Map<String, YamlNode> entries) {
        YamlNode node = entries.get("flags");
        if (node == null) {
            return Map.of();
        }
        Map<String, YamlNode> given =
                node.entries().orElseThrow(() -> at(node, "flags must be a mapping of flag to value"));
        var flags = new LinkedHashMap<String, String>();
        given.forEach((name, value) -> {
            String flag = name.replace('_', '-');
            if (FlagTable.find(flag).isEmpty()) {
                throw at(
                        value,
                        "flags has " + name + ", which serve does not know; the nearest is " + FlagTable.nearest(flag));
            }
            flags.put(flag, text(value, name));
        });
        return flags;
    }

    private Map<String, YamlNode> mapping(YamlNode node, String what, Set<String> known) {
        Map<String, YamlNode> entries = node.entries().orElseThrow(() -> at(node, what + " must be a mapping"));
        entries.forEach((key, value) -> {
            if (!known.contains(key)) {
                throw at(value, what + " has the unknown key " + key + "; the nearest is " + Nearest.of(key, known));
            }
        });
        return entries;
    }

    private YamlNode required(YamlNode owner, Map<String, YamlNode> entries, String key) {
        YamlNode node = entries.get(key);
        if (node == null) {
            throw at(owner, key + " is missing");
        }
        return node;
    }

    private String text(YamlNode node, String key) {
        return node.text().filter(text -> !text.isBlank()).orElseThrow(() -> at(node, key + " must be a single value"));
    }

    private int port(YamlNode node, String key) {
        String text = text(node, key);
        try {
            int port = Integer.parseInt(text);
            if (port >= 0 && port <= 65_535) {
                return port;
            }
        } catch (NumberFormatException e) {
            throw at(node, key + " must be a port, not " + text);
        }
        throw at(node, key + " " + text + " is outside [0, 65535]");
    }

    private TopologyException at(YamlNode node, String message) {
        return new TopologyException(file + " line " + node.line() + ": " + message);
    }
}
