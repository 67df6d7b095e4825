package dev.tandem.gateway.protocol;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** An edited copy of a JSON object: fields that are not named keep their bytes and their order. Used once, by one thread. */
final class JsonEdit {
    private final byte[] json;
    private final Map<String, JsonSpans.Field> fields;
    private final Set<String> dropped = new HashSet<>();
    private final Map<String, byte[]> set = new LinkedHashMap<>();

    JsonEdit(byte[] json, Map<String, JsonSpans.Field> fields) {
        this.json = json;
        this.fields = fields;
    }

    JsonEdit drop(String... names) {
        for (String name : names) {
            dropped.add(name);
        }
        return this;
    }

    JsonEdit set(String name, String value) {
        return set(name, value.getBytes(StandardCharsets.UTF_8));
    }

    /** Puts the field at the end, instead of one that is there. */
    JsonEdit set(String name, byte[] value) {
        dropped.add(name);
        set.put(name, value);
        return this;
    }

    byte[] bytes() {
        if (dropped.stream().noneMatch(fields::containsKey) && set.isEmpty()) {
            return json;
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream(json.length + 512);
        out.write('{');
        for (Map.Entry<String, JsonSpans.Field> field : fields.entrySet()) {
            if (!dropped.contains(field.getKey())) {
                separate(out);
                out.write(
                        json,
                        field.getValue().start(),
                        field.getValue().end() - field.getValue().start());
            }
        }
        for (Map.Entry<String, byte[]> field : set.entrySet()) {
            separate(out);
            out.writeBytes(("\"" + field.getKey() + "\":").getBytes(StandardCharsets.UTF_8));
            out.writeBytes(field.getValue());
        }
        out.write('}');
        return out.toByteArray();
    }

    private static void separate(ByteArrayOutputStream out) {
        if (out.size() > 1) {
            out.write(',');
        }
    }
}
