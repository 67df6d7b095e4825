package dev.tandem.preflight.ranktable;

import dev.tandem.engine.handoff.ranktable.Device;
import dev.tandem.engine.handoff.ranktable.RankTableException;
import dev.tandem.engine.handoff.ranktable.SuperPod;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a node brings to the barrier.
 *
 * <pre>
 *   { "kind": "a3", "devices": [ { "id": 0, "ip": "192.168.1.199", "pod": "0", "sdid": "67108864" }, … ] }     pod and sdid on A3 only
 *   { "error": "device 3: …" }                                                                                when they could not be found out
 * </pre>
 *
 * @param kind of all devices
 * @param devices in the order of the ranks
 */
public record NodeDevices(DeviceKind kind, List<LocalDevice> devices) {
    public NodeDevices {
        devices = List.copyOf(devices);
    }

    /** Devices 0 to count - 1, or those that are named, of a node without accelerators. */
    static NodeDevices withoutAccelerators(String node, List<Integer> deviceIds) {
        return new NodeDevices(
                DeviceKind.CPU,
                deviceIds.stream()
                        .map(id -> new LocalDevice(id, node, Optional.empty()))
                        .toList());
    }

    ObjectNode toJson() {
        ObjectNode json = JsonMapper.shared().createObjectNode().put("kind", kind.word());
        ArrayNode list = json.putArray("devices");
        for (LocalDevice device : devices) {
            ObjectNode entry = list.addObject().put("id", device.deviceId()).put("ip", device.deviceIp());
            device.superPod()
                    .ifPresent(pod -> entry.put("pod", pod.superPodId()).put("sdid", pod.superDeviceId()));
        }
        return json;
    }

    static ObjectNode error(String reason) {
        return JsonMapper.shared().createObjectNode().put("error", reason);
    }

    /**
     * Reads what another node brought.
     *
     * @param expected devices that each node must have
     * @throws DeviceException naming the node: it has none, another number of them, or said something else
     */
    static NodeDevices fromJson(String node, JsonNode json, int expected) {
        if (json.path("error").isString()) {
            throw new DeviceException("node " + node + ": " + json.path("error").asString());
        }
        DeviceKind kind = DeviceKind.of(json.path("kind").asString(""))
                .orElseThrow(() -> new DeviceException("node " + node + " brought no kind of device: " + cut(json)));
        JsonNode list = json.path("devices");
        if (!list.isArray() || list.size() != expected) {
            throw new DeviceException("node " + node + " brought " + list.size() + " devices, not " + expected);
        }
        var devices = new ArrayList<LocalDevice>();
        for (JsonNode entry : list) {
            devices.add(device(node, entry));
        }
        return new NodeDevices(kind, devices);
    }

    private static LocalDevice device(String node, JsonNode entry) {
        try {
            Optional<SuperPod> pod = entry.has("pod")
                    ? Optional.of(new SuperPod(
                            entry.path("pod").asString(""), entry.path("sdid").asString("")))
                    : Optional.empty();
            int id = entry.path("id").asInt(-1);
            String address = entry.path("ip").asString("");
            var checked = new Device(node, id, address, pod, 1); // its number in the table is not known yet
            return new LocalDevice(checked.deviceId(), checked.deviceIp(), pod);
        } catch (RankTableException e) {
            throw new DeviceException("node " + node + " brought a device " + cut(entry) + ": " + e.getMessage());
        }
    }

    private static String cut(JsonNode json) {
        String text = json.toString();
        return text.length() <= 200 ? text : text.substring(0, 200) + "…";
    }
}
