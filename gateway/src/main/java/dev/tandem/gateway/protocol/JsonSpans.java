package dev.tandem.gateway.protocol;

import dev.tandem.api.JsonText;
import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * Where the top-level fields of a JSON object lie in its bytes. The text is checked whole but nothing is built of it, so that fields can
 * be taken out, put in and passed on exactly as they were sent. Immutable.
 */
public final class JsonSpans {
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(StrictJson.MAX_DEPTH)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNumberLength(1_000)
                    .build())
            .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
            .build();

    private final byte[] json;
    private final Map<String, Field> fields;

    /**
     * A field: its bytes from the quote of the name to the end of the value, and what kind of value it is.
     *
     * @param start of the name's quote
     * @param valueStart of the value
     * @param end behind the value
     * @param kind first token of the value
     * @param firstElement first token inside, when the value is an array
     * @param elements how many elements the array has
     */
    record Field(
            int start,
            int valueStart,
            int end,
            JsonToken kind,
            @Nullable JsonToken firstElement,
            int elements) {}

    private JsonSpans(byte[] json, Map<String, Field> fields) {
        this.json = json;
        this.fields = fields;
    }

    /** Finds the fields; an {@link ApiError} with status 400 says why the bytes are not a JSON object, or which field comes twice. */
    public static JsonSpans of(byte[] sent) {
        byte[] json = JsonText.of(sent);
        try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw ApiError.badRequest("the request body must be a JSON object", null);
            }
            Map<String, Field> fields = scan(parser, json);
            if (parser.nextToken() != null) {
                throw ApiError.badRequest("the request body goes on behind its JSON object", null);
            }
            return new JsonSpans(json, fields);
        } catch (JacksonException e) {
            throw StrictJson.malformed(json, e);
        }
    }

    private static Map<String, Field> scan(JsonParser parser, byte[] json) {
        Map<String, Field> fields = new LinkedHashMap<>();
        JsonToken token = parser.nextToken();
        while (token == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            int start = offset(parser);
            JsonToken kind = parser.nextToken();
            int valueStart = offset(parser);
            JsonToken first = null;
            int elements = 0;
            if (kind == JsonToken.START_ARRAY) {
                for (JsonToken t = parser.nextToken(); t != JsonToken.END_ARRAY; t = parser.nextToken()) {
                    first = elements++ == 0 ? t : first;
                    parser.skipChildren();
                }
            } else {
                parser.skipChildren();
            }
            token = parser.nextToken();
            int end = endBefore(json, offset(parser));
            if (fields.put(name, new Field(start, valueStart, end, kind, first, elements)) != null) {
                throw ApiError.badRequest("the request body has the field '" + name + "' twice", name);
            }
        }
        return fields;
    }

    private static int offset(JsonParser parser) {
        return Math.toIntExact(parser.currentTokenLocation().getByteOffset());
    }

    /** From the next token back over white space and the comma to the end of the value. */
    private static int endBefore(byte[] json, int next) {
        int end = next;
        while (json[end - 1] <= ' ' || json[end - 1] == ',') {
            end--;
        }
        return end;
    }

    /** The whole object as it was sent; not to be changed. */
    public byte[] bytes() {
        return json;
    }

    /** Whether the field is there, also as null. */
    public boolean has(String name) {
        return fields.containsKey(name);
    }

    Optional<Field> field(String name) {
        return Optional.ofNullable(fields.get(name));
    }

    /** Whether the field is the literal true. */
    public boolean isTrue(String name) {
        return field(name).filter(field -> field.kind() == JsonToken.VALUE_TRUE).isPresent();
    }

    /** The text of the field's value as it was sent. */
    public Optional<String> text(String name) {
        return raw(name).map(bytes -> new String(bytes, java.nio.charset.StandardCharsets.UTF_8));
    }

    /** The bytes of the field's value as they were sent. */
    public Optional<byte[]> raw(String name) {
        return field(name).map(field -> java.util.Arrays.copyOfRange(json, field.valueStart(), field.end()));
    }

    /** The elements of an array as they were sent; none when the field is not an array. */
    List<byte[]> elements(String name) {
        List<byte[]> elements = new ArrayList<>();
        Optional<byte[]> array = raw(name);
        if (array.isEmpty() || array.get()[0] != '[') {
            return elements;
        }
        byte[] bytes = array.get();
        try (JsonParser parser = FACTORY.createParser(ObjectReadContext.empty(), bytes)) {
            parser.nextToken();
            JsonToken token = parser.nextToken();
            while (token != JsonToken.END_ARRAY) {
                int start = offset(parser);
                parser.skipChildren();
                token = parser.nextToken();
                elements.add(java.util.Arrays.copyOfRange(bytes, start, endBefore(bytes, offset(parser))));
            }
        }
        return elements;
    }

    /** Starts an edited copy. */
    JsonEdit edit() {
        return new JsonEdit(json, fields);
    }
}
