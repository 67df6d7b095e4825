package dev.tandem.node;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What a node says of itself when it is ready: the ready file, the start log, and {@code up}'s table.
 *
 * @param role {@code prefill}, {@code decode}, {@code both} or {@code aggregated}
 * @param address HTTP host and port
 * @param model served name and longest sequence
 * @param kv KV memory
 * @param compute kernels and threads
 * @param sideChannel host:port of the handoff's side channel
 */
public record NodeReport(
        String role, Address address, Model model, KvMemory kv, Compute compute, Optional<String> sideChannel) {
    /** Where the node listens; the further port shows metrics alone. */
    public record Address(String host, int port, OptionalInt metricsPort) {
        /** A node with one port. */
        public Address(String host, int port) {
            this(host, port, OptionalInt.empty());
        }

        @Override
        public String toString() {
            return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
        }
    }

    /** What it serves. */
    public record Model(List<String> names, int maxModelLength) {}

    /** KV memory: blocks, tokens per block, bytes in all and their type. */
    public record KvMemory(int blocks, int blockSize, long bytes, String dtype) {}

    /** Kernels and their threads. */
    public record Compute(String kernels, int threads) {}

    /** The same as plain values, for JSON. */
    public Map<String, Object> toMap() {
        var map = new LinkedHashMap<String, Object>();
        map.put("role", role);
        map.put("host", address.host());
        map.put("port", address.port());
        address.metricsPort().ifPresent(port -> map.put("metrics_port", port));
        map.put("model", model.names().getFirst());
        map.put("max_model_len", model.maxModelLength());
        map.put("kv_blocks", kv.blocks());
        map.put("block_size", kv.blockSize());
        map.put("kv_bytes", kv.bytes());
        map.put("kv_dtype", kv.dtype());
        map.put("kernels", compute.kernels());
        map.put("kernel_threads", compute.threads());
        sideChannel.ifPresent(channel -> map.put("side_channel", channel));
        return map;
    }
}
