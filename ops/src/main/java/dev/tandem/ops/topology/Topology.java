package dev.tandem.ops.topology;

import dev.tandem.node.flags.KvConnectorName;
import dev.tandem.node.flags.YamlNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A cluster as its file describes it; {@code docs/topology.md} has the schema.
 *
 * @param model what requests ask for
 * @param gateway where clients connect
 * @param gatewayFlags what else the gateway is started with, by name without the hyphens, in the file's order
 * @param connector how KV comes from prefill to decode nodes
 * @param prefill prefill nodes
 * @param decode decode nodes
 */
public record Topology(
        Model model,
        Endpoint gateway,
        Map<String, String> gatewayFlags,
        KvConnectorName connector,
        List<NodeSpec> prefill,
        List<NodeSpec> decode) {

    /**
     * What requests ask for.
     *
     * @param checkpoint folder or file, of every node that names none of its own
     * @param servedName name that requests use
     */
    public record Model(Path checkpoint, String servedName) {}

    /** A host and a port. */
    public record Endpoint(String host, int port) {
        @Override
        public String toString() {
            return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
        }
    }

    /**
     * One node.
     *
     * @param http where it answers; a headless node's host, and a port that it does not use
     * @param handoff who it is to its peers
     * @param ranks which ranks of its deployment it runs
     * @param settings what else it is started with
     */
    public record NodeSpec(Endpoint http, Handoff handoff, Ranks ranks, Settings settings) {
        /** Whether its clients speak TLS. */
        public boolean isSecure() {
            return settings.flags().containsKey("ssl-certfile");
        }
    }

    /** {@code engine_id} and {@code kv_port}. */
    public record Handoff(String engineId, int kvPort) {}

    /**
     * Which ranks of its deployment a node runs. A deployment is a head and the headless nodes behind it.
     *
     * @param tensor shards of a replica
     * @param data replicas of the deployment
     * @param local replicas of this node
     * @param start global index of its first replica
     * @param join where the deployment meets
     */
    public record Ranks(int tensor, int data, int local, int start, Join join) {
        /** Ranks of the whole deployment. */
        public int world() {
            return tensor * data;
        }

        /** Ranks of this node. */
        public int localRanks() {
            return tensor * local;
        }
    }

    /**
     * Where the nodes of a deployment meet.
     *
     * @param head address and port for joins
     * @param isHeadless this node joins; it is not the head
     */
    public record Join(Endpoint head, boolean isHeadless) {}

    /**
     * What else a node is started with.
     *
     * @param checkpoint its own, where it differs from the others'
     * @param environment variables, in the file's order
     * @param flags by name without the hyphens, in the file's order
     */
    public record Settings(Optional<Path> checkpoint, Map<String, String> environment, Map<String, String> flags) {
        public Settings {
            environment = Collections.unmodifiableMap(new LinkedHashMap<>(environment));
            flags = Collections.unmodifiableMap(new LinkedHashMap<>(flags));
        }
    }

    public Topology {
        gatewayFlags = Collections.unmodifiableMap(new LinkedHashMap<>(gatewayFlags));
        prefill = List.copyOf(prefill);
        decode = List.copyOf(decode);
    }

    /**
     * Reads a file.
     *
     * @throws TopologyException naming line and key
     */
    public static Topology read(Path file) {
        try {
            return new TopologyReader(file.toString()).read(YamlNode.source(file));
        } catch (IOException e) {
            throw new TopologyException("the topology file " + file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** The same cluster with another checkpoint on every node. */
    public Topology withModel(Path checkpoint, String servedName) {
        return new Topology(
                new Model(checkpoint, servedName),
                gateway,
                gatewayFlags,
                connector,
                prefill.stream()
                        .map(node -> withCheckpoint(node, Optional.empty()))
                        .toList(),
                decode.stream()
                        .map(node -> withCheckpoint(node, Optional.empty()))
                        .toList());
    }

    /** The same cluster with another served name and with checkpoints under a folder, where their paths are relative. */
    public Topology under(Path folder, String servedName) {
        return new Topology(
                new Model(folder.resolve(model.checkpoint), servedName),
                gateway,
                gatewayFlags,
                connector,
                prefill.stream()
                        .map(node -> withCheckpoint(
                                node, node.settings().checkpoint().map(folder::resolve)))
                        .toList(),
                decode.stream()
                        .map(node -> withCheckpoint(
                                node, node.settings().checkpoint().map(folder::resolve)))
                        .toList());
    }

    private static NodeSpec withCheckpoint(NodeSpec node, Optional<Path> checkpoint) {
        Settings settings = node.settings();
        return new NodeSpec(
                node.http(),
                node.handoff(),
                node.ranks(),
                new Settings(checkpoint, settings.environment(), settings.flags()));
    }

    /** Whether clients of the gateway speak TLS. */
    public boolean isGatewaySecure() {
        return gatewayFlags.containsKey("ssl-certfile");
    }

    /** All nodes, prefill first. */
    public List<NodeSpec> nodes() {
        var nodes = new ArrayList<>(prefill);
        nodes.addAll(decode);
        return List.copyOf(nodes);
    }

    /** Nodes of a side that answer HTTP. */
    public static List<NodeSpec> withHttp(List<NodeSpec> nodes) {
        return nodes.stream().filter(node -> !node.ranks().join().isHeadless()).toList();
    }
}
