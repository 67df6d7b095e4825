package dev.tandem.engine.handoff.ranktable;

import java.net.InetAddress;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.stream.Collectors;

/**
 * A rank table, complete and consistent: at least one device a side, cluster ids 1..n over prefill and then decode devices, no device
 * twice, all devices of an A2 or all of an A3. Where nodes have no accelerator the table has the A2 form with the node's address for
 * each of its devices. The form of the file, in which every value is a string (vllm-ascend v0.11.0rc1, gen_ranktable.py):
 *
 * <pre>
 *   { "version": "1.2",
 *     "server_count": number of different server_id,
 *     "prefill_device_list": [ { "server_id", "device_id", "device_ip", A3 only: "super_pod_id", "super_device_id", "cluster_id" }, … ],
 *     "decode_device_list": [ … ],
 *     "status": "completed" }
 * </pre>
 *
 * @param prefill devices in the order of their ranks
 * @param decode devices in the order of their ranks
 */
public record RankTable(List<Device> prefill, List<Device> decode) {
    /** The only version there is. */
    public static final String VERSION = "1.2";

    /** What the file says when it is whole. */
    public static final String STATUS = "completed";

    /** Most devices of both lists together. */
    public static final int MAX_DEVICES = 4096;

    /** @throws RankTableException naming list, index and field */
    public RankTable {
        prefill = List.copyOf(prefill);
        decode = List.copyOf(decode);
        requireSize(prefill, decode);
        var seen = new Seen(prefill.getFirst().superPod().isPresent());
        for (int index = 0; index < prefill.size(); index++) {
            seen.require(place(Side.PREFILL, index), prefill.get(index));
        }
        for (int index = 0; index < decode.size(); index++) {
            seen.require(place(Side.DECODE, index), decode.get(index));
        }
    }

    /** Reads a file; the message of what is thrown begins with its path. */
    public static RankTable read(Path file) {
        return new RankTableReader(file.toString()).read(file);
    }

    /** Where an entry stands, as messages name it. */
    static String place(Side side, int index) {
        return side.key() + "[" + index + "]";
    }

    private static void requireSize(List<Device> prefill, List<Device> decode) {
        if (prefill.isEmpty() || decode.isEmpty()) {
            Side empty = prefill.isEmpty() ? Side.PREFILL : Side.DECODE;
            throw RankTableException.refuse(empty.key(), "at least one device", "none");
        }
        if (prefill.size() + decode.size() > MAX_DEVICES) {
            throw RankTableException.refuse(
                    "devices of both lists", "at most " + MAX_DEVICES, prefill.size() + decode.size());
        }
    }

    /** What the entries so far have taken; filled while one table is built. */
    private static final class Seen {
        private final boolean isA3;
        private final Map<Object, String> places = new HashMap<>();
        private int clusterId;

        Seen(boolean isA3) {
            this.isA3 = isA3;
        }

        void require(String place, Device device) {
            if (device.clusterId() != ++clusterId) {
                throw RankTableException.refuse(
                        place + ".cluster_id",
                        clusterId + " (1..n over prefill, then decode devices)",
                        device.clusterId());
            }
            if (device.superPod().isPresent() != isA3) {
                throw RankTableException.refuse(
                        place + ".super_pod_id",
                        isA3 ? "one, as the first device has (A3)" : "none, as the first device has none (A2)",
                        device.superPod().map(SuperPod::superPodId).orElse("none"));
            }
            record OnServer(InetAddress server, int deviceId) {}
            take(
                    place + ".device_id",
                    "device " + device.deviceId() + " of " + device.serverId(),
                    new OnServer(device.server(), device.deviceId()));
            if (device.superPod().isPresent()) {
                take(
                        place + ".super_device_id",
                        "device " + device.superPod().get().superDeviceId() + " of super pod "
                                + device.superPod().get().superPodId(),
                        device.superPod().get());
            } else if (!device.hasNodeAddress()) {
                take(place + ".device_ip", device.deviceIp(), device.address());
            }
        }

        private void take(String place, String what, Object key) {
            String before = places.putIfAbsent(key, place);
            if (before != null) {
                throw RankTableException.refuse(place, "each device once", what + ", which is at " + before + " too");
            }
        }
    }

    public List<Device> devices(Side side) {
        return switch (side) {
            case PREFILL -> prefill;
            case DECODE -> decode;
        };
    }

    /** Devices of a node in a list, in the order of the local tensor ranks; empty when it has none there. */
    public List<Device> devices(Side side, InetAddress server) {
        return devices(side).stream()
                .filter(device -> device.server().equals(server))
                .toList();
    }

    /** The device of a node's local rank, counted in the list from 0. */
    public Optional<Device> device(Side side, InetAddress server, int localRank) {
        List<Device> local = devices(side, server);
        return localRank < local.size() ? Optional.of(local.get(localRank)) : Optional.empty();
    }

    /** {@code server_id}s of a list, each once, in its order. */
    public SequencedSet<String> servers(Side side) {
        return devices(side).stream().map(Device::serverId).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** {@code server_id}s of both lists, each once. */
    public SequencedSet<String> servers() {
        SequencedSet<String> servers = servers(Side.PREFILL);
        servers.addAll(servers(Side.DECODE));
        return servers;
    }

    public int serverCount() {
        return servers().size();
    }

    /** Whether the devices belong to super pods. */
    public boolean isA3() {
        return prefill.getFirst().superPod().isPresent();
    }

    /** The documented form, byte for byte as Python's {@code json.dump(…, indent=4)} writes it: no line end behind the last brace. */
    public String toJson() {
        return "{\n    \"version\": \"" + VERSION + "\",\n    \"server_count\": \"" + serverCount() + "\",\n"
                + list(Side.PREFILL) + list(Side.DECODE) + "    \"status\": \"" + STATUS + "\"\n}";
    }

    private String list(Side side) {
        return devices(side).stream()
                .map(RankTable::entry)
                .collect(Collectors.joining(",\n", "    \"" + side.key() + "\": [\n", "\n    ],\n"));
    }

    private static String entry(Device device) {
        var entry = new StringBuilder("        {\n");
        field(entry, "server_id", device.serverId()).append(",\n");
        field(entry, "device_id", "" + device.deviceId()).append(",\n");
        field(entry, "device_ip", device.deviceIp()).append(",\n");
        device.superPod().ifPresent(pod -> {
            field(entry, "super_pod_id", pod.superPodId()).append(",\n");
            field(entry, "super_device_id", pod.superDeviceId()).append(",\n");
        });
        return field(entry, "cluster_id", "" + device.clusterId())
                .append("\n        }")
                .toString();
    }

    /** Values are addresses, numbers and names of super pods: nothing in them needs an escape. */
    private static StringBuilder field(StringBuilder entry, String name, String value) {
        return entry.append("            \"")
                .append(name)
                .append("\": \"")
                .append(value)
                .append('"');
    }
}
