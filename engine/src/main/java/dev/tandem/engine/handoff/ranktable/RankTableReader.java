package dev.tandem.engine.handoff.ranktable;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads a rank table that a person or another program wrote. Strict: UTF-8, no key twice, no unknown key, every value a string of its
 * form, at most {@value #MAX_BYTES} bytes. One reader a file.
 */
final class RankTableReader {
    /** Longest file. */
    static final int MAX_BYTES = 2 << 20;

    private static final int MAX_DEPTH = 4;
    private static final List<String> KEYS =
            List.of("version", "server_count", Side.PREFILL.key(), Side.DECODE.key(), "status");
    private static final List<String> DEVICE_KEYS =
            List.of("server_id", "device_id", "device_ip", "super_pod_id", "super_device_id", "cluster_id");

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String name;

    RankTableReader(String name) {
        this.name = name;
    }

    RankTable read(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new RankTableException(name + ": expected a rank table file, found "
                    + (Files.exists(file) ? "something else" : "nothing"));
        }
        try (InputStream in = Files.newInputStream(file)) {
            return parse(in.readNBytes(MAX_BYTES + 1));
        } catch (IOException e) {
            throw new RankTableException(name + ": cannot be read: " + e, e);
        }
    }

    RankTable parse(byte[] utf8) {
        return located("", () -> table(tree(utf8)));
    }

    private JsonNode tree(byte[] utf8) {
        if (utf8.length > MAX_BYTES) {
            throw RankTableException.refuse("size", "at most " + MAX_BYTES + " bytes", "more");
        }
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
            if (text.isBlank()) {
                throw RankTableException.refuse("the file", "a JSON object", "nothing");
            }
            return MAPPER.readTree(text);
        } catch (CharacterCodingException e) {
            throw new RankTableException("the file: expected UTF-8, found other bytes", e);
        } catch (JacksonException e) {
            String where = e.getLocation() == null
                    ? "the file"
                    : "line " + e.getLocation().getLineNr() + " column "
                            + e.getLocation().getColumnNr();
            throw new RankTableException(
                    where + ": expected valid JSON, found: " + RankTableException.shown(e.getOriginalMessage()), e);
        }
    }

    private RankTable table(JsonNode root) {
        requireKeys(root, KEYS);
        requireText(root, "version", RankTable.VERSION);
        requireText(root, "status", RankTable.STATUS);
        int serverCount = number(root, "server_count", 1, RankTable.MAX_DEVICES);
        List<Device> prefill = devices(root, Side.PREFILL);
        List<Device> decode = devices(root, Side.DECODE);
        var table = new RankTable(prefill, decode);
        if (table.serverCount() != serverCount) {
            throw RankTableException.refuse(
                    "server_count", table.serverCount() + ", the different server_id " + table.servers(), serverCount);
        }
        return table;
    }

    private List<Device> devices(JsonNode root, Side side) {
        JsonNode list = required(root, side.key());
        if (!list.isArray()) {
            throw RankTableException.refuse(side.key(), "a list of devices", kind(list));
        }
        if (list.size() > RankTable.MAX_DEVICES) {
            throw RankTableException.refuse(side.key(), "at most " + RankTable.MAX_DEVICES + " devices", list.size());
        }
        var devices = new ArrayList<Device>();
        for (int index = 0; index < list.size(); index++) {
            JsonNode entry = list.get(index);
            devices.add(within(RankTable.place(side, index), () -> device(entry)));
        }
        return devices;
    }

    private Device device(JsonNode entry) {
        requireKeys(entry, DEVICE_KEYS);
        Optional<SuperPod> superPod = Optional.empty();
        if (entry.has("super_pod_id") || entry.has("super_device_id")) {
            superPod = Optional.of(new SuperPod(text(entry, "super_pod_id"), text(entry, "super_device_id")));
        }
        return new Device(
                text(entry, "server_id"),
                number(entry, "device_id", 0, Device.MAX_DEVICE_ID),
                text(entry, "device_ip"),
                superPod,
                number(entry, "cluster_id", 1, RankTable.MAX_DEVICES));
    }

    private static void requireKeys(JsonNode node, List<String> known) {
        if (!node.isObject()) {
            throw RankTableException.refuse("the value", "an object", kind(node));
        }
        var unknown = new LinkedHashSet<>(node.propertyNames());
        known.forEach(unknown::remove);
        if (!unknown.isEmpty()) {
            String key = unknown.getFirst();
            throw RankTableException.refuse(
                    RankTableException.shown(key), "no such key (the nearest is " + nearest(key, known) + ")", "it");
        }
    }

    private static JsonNode required(JsonNode node, String key) {
        JsonNode value = node.get(key);
        if (value == null) {
            throw RankTableException.refuse(key, "a value", "nothing");
        }
        return value;
    }

    private static String text(JsonNode node, String key) {
        JsonNode value = required(node, key);
        if (!value.isString()) {
            throw RankTableException.refuse(key, "a string (every value is one)", kind(value));
        }
        return value.stringValue();
    }

    private static void requireText(JsonNode node, String key, String expected) {
        String found = text(node, key);
        if (!found.equals(expected)) {
            throw RankTableException.refuse(key, '"' + expected + '"', '"' + found + '"');
        }
    }

    /** A number in a string, written without sign, blank or leading zero. */
    private static int number(JsonNode node, String key, int min, int max) {
        String text = text(node, key);
        if (text.matches("0|[1-9][0-9]{0,8}")) {
            int number = Integer.parseInt(text);
            if (number >= min && number <= max) {
                return number;
            }
        }
        throw RankTableException.refuse(key, "a number of " + min + " to " + max + " as a string", '"' + text + '"');
    }

    private static String kind(JsonNode value) {
        return value.isContainer() ? (value.isObject() ? "an object" : "a list") : value + ", which is not a string";
    }

    private static <T> T within(String place, Supplier<T> reading) {
        try {
            return reading.get();
        } catch (RankTableException e) {
            throw e.inside(place + ".");
        }
    }

    private <T> T located(String place, Supplier<T> reading) {
        try {
            return reading.get();
        } catch (RankTableException e) {
            throw e.inside(name + ": " + place);
        }
    }

    /** The known key with the fewest changed, missing and added letters. */
    private static String nearest(String word, List<String> known) {
        String nearest = known.getFirst();
        for (String key : known) {
            if (distance(word, key) < distance(word, nearest)) {
                nearest = key;
            }
        }
        return nearest;
    }

    private static int distance(String from, String to) {
        String short64 = from.substring(0, Math.min(from.length(), 64));
        int[] row = new int[to.length() + 1];
        for (int column = 0; column <= to.length(); column++) {
            row[column] = column;
        }
        for (int letter = 0; letter < short64.length(); letter++) {
            int diagonal = row[0];
            row[0] = letter + 1;
            for (int column = 1; column <= to.length(); column++) {
                int changed = diagonal + (short64.charAt(letter) == to.charAt(column - 1) ? 0 : 1);
                diagonal = row[column];
                row[column] = Math.min(changed, 1 + Math.min(row[column], row[column - 1]));
            }
        }
        return row[to.length()];
    }
}
