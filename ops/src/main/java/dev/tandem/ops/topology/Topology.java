package dev.tandem.ops.topology;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A cluster as its file describes it.
 *
 * @param model checkpoint that all nodes serve
 * @param servedName name that requests use
 * @param gateway where clients connect
 * @param prefill prefill nodes
 * @param decode decode nodes
 * @param flags further flags of every node, by name without the hyphens
 */
public record Topology(
        Path model,
        String servedName,
        Endpoint gateway,
        List<NodeSpec> prefill,
        List<NodeSpec> decode,
        Map<String, String> flags) {

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
     * @param http where it answers
     * @param kvPort {@code kv_port} of its side channel
     * @param flags further flags of this node, over the common ones
     */
    public record NodeSpec(Endpoint http, int kvPort, Map<String, String> flags) {
        public NodeSpec {
            flags = Map.copyOf(flags);
        }
    }

    public Topology {
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
            return new TopologyReader(file.toString()).read(Files.readString(file));
        } catch (IOException e) {
            throw new TopologyException("the topology file " + file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** The same cluster with another checkpoint. */
    public Topology withModel(Path otherModel, String otherName) {
        return new Topology(otherModel, otherName, gateway, prefill, decode, flags);
    }
}
