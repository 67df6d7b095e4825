package dev.tandem.transfer.wire;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What a peer offers: the JSON of a Metadata handshake.
 *
 * <pre>
 *   {"buffers":[{"addr":140000000000000,"length":65536,"name":"127.0.0.2:15001"}],
 *    "name":"127.0.0.2:15001","protocol":"tcp","tandem":{"crc32c":true,"version":2},
 *    "tcp_data_port":15002,"tcp_proto_version":2,"timestamp":"2026-11-22 12:00:00.000000"}
 * </pre>
 *
 * {@code tandem} is ours, with what {@link Introduction} holds; Mooncake ignores keys that it does not know, and so do we. Addresses are unsigned 64-bit and never pass through a
 * double.
 *
 * @param name segment name, {@code host:rpcPort}; data connections go to its host
 * @param protocols usually just {@code tcp}
 * @param tcp the data port and what is spoken there
 * @param buffers registered memory
 */
public record SegmentDescriptor(String name, List<String> protocols, Tcp tcp, List<Buffer> buffers) {
    public static final String TCP = "tcp";

    private static final JsonMapper JSON = JsonMapper.shared();
    private static final BigInteger U64_END = BigInteger.ONE.shiftLeft(64);
    private static final int MAX_PORT = 65_535;

    /**
     * @param dataPort where transfers go; 0 if the peer offers no tcp
     * @param dataHost host of the data port, as Mooncake tells from 0.3.13 on; empty for the host of the segment name
     * @param version 1 or more; from 2 on writes are acknowledged and refusals are told
     * @param offersCrc32c Tandem peers: checksum opcodes are understood
     */
    public record Tcp(int dataPort, String dataHost, int version, boolean offersCrc32c) {}

    /**
     * Memory that a peer has registered.
     *
     * @param name never empty
     * @param address unsigned, not 0
     * @param length unsigned, not 0
     */
    public record Buffer(String name, long address, long length) {}

    public SegmentDescriptor {
        protocols = List.copyOf(protocols);
        buffers = List.copyOf(buffers);
    }

    /** Compact JSON with sorted keys, as Mooncake writes it. */
    public String toJson(String timestamp) {
        return toJson(timestamp, Optional.empty());
    }

    /** The same, with what else Tandem peers are told. */
    public String toJson(String timestamp, Introduction introduction) {
        return toJson(timestamp, Optional.of(introduction));
    }

    private String toJson(String timestamp, Optional<Introduction> introduction) {
        ObjectNode root = JSON.createObjectNode();
        ArrayNode list = root.putArray("buffers");
        for (Buffer buffer : buffers) {
            ObjectNode entry = list.addObject();
            putU64(entry, "addr", buffer.address());
            putU64(entry, "length", buffer.length());
            entry.put("name", buffer.name());
        }
        root.put("name", name);
        if (protocols.size() == 1) {
            root.put("protocol", protocols.getFirst());
        } else {
            ArrayNode names = root.putArray("protocol");
            protocols.forEach(names::add);
        }
        if (tcp.offersCrc32c() || introduction.isPresent()) {
            ObjectNode own = root.putObject("tandem");
            if (tcp.offersCrc32c()) {
                own.put("crc32c", true);
            }
            introduction.ifPresent(told -> told.addTo(own));
        }
        if (!tcp.dataHost().isEmpty()) {
            root.put("tcp_data_host", tcp.dataHost());
        }
        root.put("tcp_data_port", tcp.dataPort());
        root.put("tcp_proto_version", tcp.version());
        root.put("timestamp", timestamp);
        return JSON.writeValueAsString(root) + "\n";
    }

    /** Whether a Metadata message has no descriptor: a peer that wants a proof first. */
    public static boolean isMissing(String json) {
        try {
            return JSON.readTree(json).path("name").isMissingNode();
        } catch (JacksonException e) {
            return false; // parsing says what is wrong
        }
    }

    /** @throws WireException not JSON, or a key has a wrong type or an impossible value; the message names it */
    public static SegmentDescriptor parse(String json) throws WireException {
        JsonNode root;
        try {
            root = JSON.readTree(json);
        } catch (JacksonException e) {
            throw new WireException("segment descriptor is not JSON: " + e.getOriginalMessage(), e);
        }
        if (!root.isObject()) {
            throw new WireException("segment descriptor is " + root.getNodeType() + ", not an object");
        }
        List<String> protocols = protocols(root.path("protocol"));
        int dataPort = smallInt(root, "tcp_data_port", 0, MAX_PORT);
        int version = smallInt(root, "tcp_proto_version", 1, Integer.MAX_VALUE);
        boolean offersCrc32c = root.path("tandem").path("crc32c").asBoolean(false);
        Tcp tcp = new Tcp(dataPort, root.path("tcp_data_host").asString(""), version, offersCrc32c);
        return new SegmentDescriptor(text(root, "name"), protocols, tcp, buffers(root.path("buffers")));
    }

    private static List<String> protocols(JsonNode node) throws WireException {
        if (node.isString()) {
            return List.of(node.stringValue());
        }
        if (!node.isArray()) {
            throw new WireException("segment descriptor: 'protocol' is " + node.getNodeType());
        }
        List<String> names = new ArrayList<>();
        for (JsonNode each : node) {
            if (!each.isString()) {
                throw new WireException("segment descriptor: 'protocol' holds " + each.getNodeType());
            }
            names.add(each.stringValue());
        }
        return names;
    }

    private static List<Buffer> buffers(JsonNode node) throws WireException {
        if (node.isMissingNode() || node.isNull()) {
            return List.of();
        }
        if (!node.isArray()) {
            throw new WireException("segment descriptor: 'buffers' is " + node.getNodeType());
        }
        List<Buffer> buffers = new ArrayList<>(node.size());
        for (JsonNode each : node) {
            Buffer buffer = new Buffer(text(each, "name"), u64(each, "addr"), u64(each, "length"));
            if (buffer.address() == 0 || buffer.length() == 0) {
                throw new WireException("segment descriptor: buffer with address or length 0: " + each);
            }
            buffers.add(buffer);
        }
        return buffers;
    }

    private static String text(JsonNode object, String key) throws WireException {
        JsonNode node = object.path(key);
        if (!node.isString() || node.stringValue().isEmpty()) {
            throw new WireException("segment descriptor: '" + key + "' is not a text");
        }
        return node.stringValue();
    }

    private static int smallInt(JsonNode object, String key, int absent, int max) throws WireException {
        JsonNode node = object.path(key);
        if (node.isMissingNode() || node.isNull()) {
            return absent;
        }
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0 || node.intValue() > max) {
            throw new WireException("segment descriptor: '" + key + "' is " + node + ", not 0 to " + max);
        }
        return node.intValue();
    }

    private static long u64(JsonNode object, String key) throws WireException {
        JsonNode node = object.path(key);
        if (!node.isIntegralNumber()) {
            throw new WireException("segment descriptor: '" + key + "' is not an integer");
        }
        BigInteger value = node.bigIntegerValue();
        if (value.signum() < 0 || value.compareTo(U64_END) >= 0) {
            throw new WireException(
                    "segment descriptor: '" + key + "' is " + value + ", not an unsigned 64-bit number");
        }
        return value.longValue();
    }

    private static void putU64(ObjectNode object, String key, long value) {
        if (value >= 0) {
            object.put(key, value);
        } else {
            object.put(key, new BigInteger(Long.toUnsignedString(value)));
        }
    }
}
