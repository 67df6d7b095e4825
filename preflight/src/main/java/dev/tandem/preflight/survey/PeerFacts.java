package dev.tandem.preflight.survey;

import dev.tandem.api.Version;
import dev.tandem.preflight.host.HostBarrierException;
import dev.tandem.preflight.host.HostBarrierException.Kind;
import dev.tandem.preflight.network.NetworkHost.Offer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a node reports of itself when nodes meet.
 *
 * @param offer where it can be measured
 * @param version of Tandem
 * @param kernels name of the kernels that it will use
 * @param mtu of the interface of its address; -1 where it is unknown
 * @param devices its devices
 */
record PeerFacts(Offer offer, String version, String kernels, long mtu, Devices devices) {
    private static final int MAX_PORTS = 65_535;

    /**
     * Devices of a node.
     *
     * @param addresses by device; empty on a node without
     * @param tls switch that all have, if so
     */
    record Devices(Map<Integer, String> addresses, Optional<String> tls) {}

    static PeerFacts of(Offer offer, String kernels, OptionalLong mtu, Devices devices) {
        return new PeerFacts(offer, Version.TEXT, kernels, mtu.orElse(-1), devices);
    }

    ObjectNode toJson() {
        ObjectNode json = JsonMapper.shared()
                .createObjectNode()
                .put("host", offer.host())
                .put("token", Long.toUnsignedString(offer.token()))
                .put("clock_port", offer.clockPort())
                .put("segment", offer.segment())
                .put("version", version)
                .put("kernels", kernels)
                .put("mtu", mtu);
        ArrayNode ports = json.putArray("ports");
        offer.ports().forEach(ports::add);
        ObjectNode addresses = json.putObject("devices");
        devices.addresses().forEach((device, address) -> addresses.put(Integer.toString(device), address));
        devices.tls().ifPresent(tls -> json.put("tls", tls));
        return json;
    }

    /** @throws HostBarrierException when a field is not what a check of this version sends */
    static PeerFacts read(JsonNode json) {
        try {
            var ports = new ArrayList<Integer>();
            json.path("ports").forEach(port -> ports.add(port.intValue()));
            Map<Integer, String> addresses = new TreeMap<>();
            json.path("devices")
                    .properties()
                    .forEach(entry -> addresses.put(
                            Integer.valueOf(entry.getKey()), entry.getValue().stringValue()));
            if (ports.size() > MAX_PORTS) {
                throw new IllegalArgumentException(ports.size() + " ports");
            }
            return new PeerFacts(
                    new Offer(
                            json.get("host").stringValue(),
                            List.copyOf(ports),
                            Long.parseUnsignedLong(json.get("token").stringValue()),
                            json.get("clock_port").intValue(),
                            json.get("segment").stringValue()),
                    json.get("version").stringValue(),
                    json.get("kernels").stringValue(),
                    json.get("mtu").longValue(),
                    new Devices(addresses, Optional.ofNullable(json.get("tls")).map(JsonNode::stringValue)));
        } catch (RuntimeException e) {
            throw new HostBarrierException(Kind.BROKEN, "a node reports facts that no check sends: " + json, e);
        }
    }
}
