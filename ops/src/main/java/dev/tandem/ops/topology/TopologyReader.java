package dev.tandem.ops.topology;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.Nearest;
import dev.tandem.node.flags.YamlNode;
import dev.tandem.ops.topology.Topology.Endpoint;
import dev.tandem.ops.topology.Topology.Model;
import dev.tandem.ops.topology.Topology.NodeSpec;
import dev.tandem.preflight.proxy.ProxyFlags;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Reads a topology document; every error names file, line and key, and an unknown key its nearest known name. */
final class TopologyReader {
    private static final Set<String> KEYS = Set.of(
            "model",
            "served-model-name",
            "connector",
            "gateway",
            "cluster-token-file",
            "environment",
            "flags",
            "prefill",
            "decode");
    private static final Set<String> GATEWAY_KEYS = Set.of("host", "port", "flags");
    private static final Set<String> SIDE_KEYS = Set.of("parallel", "environment", "flags", "nodes");

    /** What the file says in its own way is no flag. */
    private static final FlagEntries GATEWAY_FLAGS = new FlagEntries(
            "proxy",
            ProxyFlags.table(),
            Map.of(
                    "host", "host",
                    "port", "port",
                    "layerwise", "connector",
                    "prefiller-hosts", "the list of nodes",
                    "prefiller-ports", "the list of nodes",
                    "decoder-hosts", "the list of nodes",
                    "decoder-ports", "the list of nodes"));

    private final String file;

    TopologyReader(String file) {
        this.file = file;
    }

    Topology read(String source) {
        YamlNode root = parse(source);
        Map<String, YamlNode> entries = mapping(root, "the document", KEYS);
        Path model = Path.of(text(required(root, entries, "model"), "model"));
        YamlNode prefill = required(root, entries, "prefill");
        List<NodeSpec> prefillNodes = side(prefill, "prefill", entries, 0);
        YamlNode decode = required(root, entries, "decode");
        List<NodeSpec> decodeNodes = side(decode, "decode", entries, prefillNodes.size());
        var topology = new Topology(
                new Model(
                        model,
                        Optional.ofNullable(entries.get("served-model-name"))
                                .map(node -> text(node, "served-model-name"))
                                .orElse(String.valueOf(model.getFileName()))),
                endpoint(required(root, entries, "gateway"), "gateway", GATEWAY_KEYS),
                GATEWAY_FLAGS.read(this, mapping(required(root, entries, "gateway"), "gateway", GATEWAY_KEYS)),
                connector(entries),
                prefillNodes,
                decodeNodes);
        TopologyChecks.refuseClashes(topology, problem -> at(prefill, problem));
        return topology;
    }

    private YamlNode parse(String source) {
        try {
            return YamlNode.parse(source, file);
        } catch (FlagException e) {
            throw new TopologyException(String.valueOf(e.getMessage()), e);
        }
    }

    private KvConnectorName connector(Map<String, YamlNode> entries) {
        YamlNode node = entries.get("connector");
        if (node == null) {
            return KvConnectorName.MOONCAKE;
        }
        String word = text(node, "connector");
        for (KvConnectorName connector : KvConnectorName.values()) {
            if (connector.topologyWord().equals(word)) {
                return connector;
            }
        }
        throw at(node, "connector must be layerwise, llmdatadist or pull, not " + word);
    }

    /** A side is a list of nodes, or a mapping with what its nodes have in common. */
    private List<NodeSpec> side(YamlNode node, String name, Map<String, YamlNode> root, int firstEngine) {
        var reader = new SideReader(this, name, firstEngine);
        reader.common(root);
        if (node.items().isPresent()) {
            return reader.nodes(node);
        }
        Map<String, YamlNode> entries = node.entries()
                .map(given -> mapping(node, name, SIDE_KEYS))
                .orElseThrow(() -> at(node, name + " must be a list of nodes, or a mapping with nodes"));
        reader.common(entries);
        return reader.nodes(required(node, entries, "nodes"));
    }

    Endpoint endpoint(YamlNode node, String what, Set<String> known) {
        Map<String, YamlNode> entries = mapping(node, what, known);
        return new Endpoint(
                text(required(node, entries, "host"), "host"),
                whole(required(node, entries, "port"), "port", 0, 65_535));
    }

    Map<String, YamlNode> mapping(YamlNode node, String what, Set<String> known) {
        Map<String, YamlNode> entries = node.entries().orElseThrow(() -> at(node, what + " must be a mapping"));
        entries.forEach((key, value) -> {
            if (!known.contains(key)) {
                throw at(value, what + " has the unknown key " + key + "; the nearest is " + Nearest.of(key, known));
            }
        });
        return entries;
    }

    YamlNode required(YamlNode owner, Map<String, YamlNode> entries, String key) {
        YamlNode node = entries.get(key);
        if (node == null) {
            throw at(owner, key + " is missing");
        }
        return node;
    }

    String text(YamlNode node, String key) {
        return node.text().filter(text -> !text.isBlank()).orElseThrow(() -> at(node, key + " must be a single value"));
    }

    int whole(YamlNode node, String key, int min, int max) {
        String text = text(node, key);
        try {
            int value = Integer.parseInt(text);
            if (value >= min && value <= max) {
                return value;
            }
        } catch (NumberFormatException e) {
            throw at(node, key + " must be a whole number, not " + text);
        }
        throw at(node, key + " " + text + " is outside [" + min + ", " + max + "]");
    }

    boolean isTrue(YamlNode node, String key) {
        String text = text(node, key).toLowerCase(Locale.ROOT);
        if (!text.equals("true") && !text.equals("false")) {
            throw at(node, key + " must be true or false, not " + text);
        }
        return text.equals("true");
    }

    TopologyException at(YamlNode node, String message) {
        return new TopologyException(file + " line " + node.line() + ": " + message);
    }
}
