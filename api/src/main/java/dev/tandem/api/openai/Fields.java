package dev.tandem.api.openai;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Reads typed fields of a request body. A null counts as absent, as OpenAI's clients send it. Every failure is an {@link ApiError} 400
 * that names the field and its limit.
 */
public final class Fields {
    private final ObjectNode body;
    private final String prefix;

    public Fields(ObjectNode body) {
        this(body, "");
    }

    private Fields(ObjectNode body, String prefix) {
        this.body = body;
        this.prefix = prefix;
    }

    /** The field's value unless it is absent or null. */
    public Optional<JsonNode> node(String name) {
        JsonNode node = body.get(name);
        return node == null || node.isNull() ? Optional.empty() : Optional.of(node);
    }

    public Optional<String> string(String name) {
        return node(name).map(node -> {
            if (!node.isString()) {
                throw wrong(name, "a string", node);
            }
            return node.stringValue();
        });
    }

    public boolean bool(String name, boolean absent) {
        return node(name)
                .map(node -> {
                    if (!node.isBoolean()) {
                        throw wrong(name, "true or false", node);
                    }
                    return node.booleanValue();
                })
                .orElse(absent);
    }

    /** A whole number within {@code [min, max]}. */
    public OptionalInt integer(String name, int min, int max) {
        OptionalLong value = wholeNumber(name, min, max);
        return value.isPresent() ? OptionalInt.of((int) value.getAsLong()) : OptionalInt.empty();
    }

    /** A whole number within {@code [min, max]}. */
    public OptionalLong wholeNumber(String name, long min, long max) {
        Optional<JsonNode> node = node(name);
        return node.isEmpty() ? OptionalLong.empty() : OptionalLong.of(whole(name, node.get(), min, max));
    }

    /** A number within {@code [min, max]}. */
    public Optional<Float> number(String name, double min, double max) {
        return node(name).map(node -> {
            if (!node.isNumber()) {
                throw wrong(name, "a number", node);
            }
            // an integer of hundreds of digits has no double; it is outside all the same
            double value =
                    node.isIntegralNumber() && !node.canConvertToLong() ? Double.POSITIVE_INFINITY : node.doubleValue();
            if (!(value >= min && value <= max)) {
                throw invalid(name, path(name) + " " + shown(node) + " is outside " + limits(min, max));
            }
            return (float) value;
        });
    }

    /** One string or a list of at most {@code most} strings. */
    public List<String> strings(String name, int most) {
        Optional<JsonNode> found = node(name);
        if (found.isEmpty()) {
            return List.of();
        }
        JsonNode node = found.get();
        if (node.isString()) {
            return List.of(node.stringValue());
        }
        var strings = new ArrayList<String>();
        for (JsonNode element : list(name, node, most)) {
            if (!element.isString()) {
                throw wrong(name, "a string or a list of strings", element);
            }
            strings.add(element.stringValue());
        }
        return List.copyOf(strings);
    }

    /** A list of at most {@code most} token ids. */
    public List<Integer> tokenIds(String name, int most) {
        Optional<JsonNode> found = node(name);
        if (found.isEmpty()) {
            return List.of();
        }
        var ids = new ArrayList<Integer>();
        for (JsonNode element : list(name, found.get(), most)) {
            ids.add((int) whole(name, element, 0, Integer.MAX_VALUE));
        }
        return List.copyOf(ids);
    }

    /** A nested object. */
    public Optional<Fields> object(String name) {
        return node(name).map(node -> {
            if (!node.isObject()) {
                throw wrong(name, "an object", node);
            }
            return new Fields((ObjectNode) node, path(name) + ".");
        });
    }

    /** A nested object as plain Java values. */
    public Optional<Map<String, Object>> plainObject(String name) {
        return object(name).map(fields -> plainMap(fields.body));
    }

    public ObjectNode tree() {
        return body;
    }

    /** Refuses a field that is known but not supported, unless it is absent or says what happens anyway. */
    public void refuse(String name, String reason, String... harmless) {
        Optional<JsonNode> node = node(name);
        if (node.isEmpty() || List.of(harmless).contains(node.get().toString())) {
            return;
        }
        throw invalid(name, path(name) + " is not supported: " + reason);
    }

    /** The whole number of a node within {@code [min, max]}. */
    long whole(String name, JsonNode node, long min, long max) {
        boolean isWhole =
                node.isIntegralNumber() || (node.isNumber() && node.doubleValue() == Math.rint(node.doubleValue()));
        if (!isWhole) {
            throw wrong(name, "a whole number", node);
        }
        if (!node.canConvertToLong() || node.longValue() < min || node.longValue() > max) {
            throw invalid(name, path(name) + " " + shown(node) + " is outside [" + min + ", " + max + "]");
        }
        return node.longValue();
    }

    private JsonNode list(String name, JsonNode node, int most) {
        if (!node.isArray()) {
            throw wrong(name, "a list", node);
        }
        if (node.size() > most) {
            throw invalid(name, path(name) + " has " + node.size() + " entries, more than " + most);
        }
        return node;
    }

    private static String limits(double min, double max) {
        return "[" + shown(min) + ", " + shown(max) + "]";
    }

    private static String shown(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }

    private ApiError wrong(String name, String expected, JsonNode found) {
        return invalid(name, path(name) + " must be " + expected + ", not " + shown(found));
    }

    private static String shown(JsonNode found) {
        String text = found.toString();
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    private String path(String name) {
        return prefix + name;
    }

    /** A 400 about one field. */
    public ApiError invalid(String name, String message) {
        return ApiError.badRequest(message, path(name));
    }

    /** A JSON object as plain maps, lists, strings, numbers and booleans; nulls become absent entries of maps. */
    public static Map<String, Object> plainMap(JsonNode object) {
        var map = new LinkedHashMap<String, Object>();
        object.properties().forEach(entry -> {
            if (!entry.getValue().isNull()) {
                map.put(entry.getKey(), plain(entry.getValue()));
            }
        });
        return map;
    }

    /** A JSON value as plain Java: maps, lists, strings, longs (big integers where they do not fit), doubles and booleans. */
    public static Object plain(JsonNode node) {
        if (node.isObject()) {
            return plainMap(node);
        }
        if (node.isArray()) {
            var list = new ArrayList<>();
            node.forEach(element -> list.add(plain(element)));
            return list;
        }
        if (node.isBoolean()) {
            return node.booleanValue();
        }
        if (node.isIntegralNumber()) {
            return node.canConvertToLong() ? (Object) node.longValue() : node.bigIntegerValue();
        }
        return node.isNumber() ? (Object) node.doubleValue() : node.asString();
    }
}
