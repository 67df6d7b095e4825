package dev.tandem.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;

/** Reads untrusted JSON: strict UTF-8, no duplicate names, bounded depth and size, plain Java values. */
final class JsonText {
    private static final int MAX_DEPTH = 32;

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // a table of names that lives on would let one hostile file slow down the next
            .disable(TokenStreamFactory.Feature.CANONICALIZE_PROPERTY_NAMES)
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
            .build();

    private JsonText() {}

    /** What a caller does with the parser; it may throw Jackson's exceptions. */
    interface Reading<T> {
        T read(JsonParser parser);
    }

    /** A whole file that holds one JSON object, as plain values (see {@link Settings}). */
    static Map<String, Object> object(Path file, int maxBytes) {
        return object(file, bytes(file, maxBytes));
    }

    /** The same of the file's bytes. */
    static Map<String, Object> object(Path file, byte[] utf8) {
        return parse(file, "JSON", utf8, parser -> {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw CheckpointException.refuse(file, "JSON", "an object", String.valueOf(parser.currentToken()));
            }
            return object(parser);
        });
    }

    private static byte[] bytes(Path file, int maxBytes) {
        if (!Files.isRegularFile(file)) {
            throw CheckpointException.refuse(
                    file, "file", "a regular file", Files.exists(file) ? "something else" : "nothing");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(maxBytes + 1);
            if (bytes.length > maxBytes) {
                throw CheckpointException.refuse(file, "size", "at most " + maxBytes + " bytes", "more");
            }
            return bytes;
        } catch (IOException e) {
            throw new CheckpointException(file + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /**
     * Parses a document whose first token is still to come, and refuses what follows its end.
     *
     * @param part what the document is, for messages
     */
    static <T> T parse(Path file, String part, byte[] utf8, Reading<T> reading) {
        try (JsonParser parser = FACTORY.createParser(
                ObjectReadContext.empty(),
                StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(utf8))
                        .toString())) {
            T value = reading.read(parser);
            if (parser.nextToken() != null) {
                throw CheckpointException.refuse(file, part, "one JSON value", "more behind it");
            }
            return value;
        } catch (CharacterCodingException e) {
            throw new CheckpointException(file + ": " + part + ": expected UTF-8, found other bytes", e);
        } catch (JacksonException e) {
            throw new CheckpointException(
                    file + ": " + part + ": expected valid JSON, found: "
                            + CheckpointException.shown(e.getOriginalMessage()),
                    e);
        }
    }

    private static Map<String, Object> object(JsonParser parser) {
        var map = new LinkedHashMap<String, Object>();
        while (parser.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = parser.currentName();
            parser.nextToken();
            map.put(name, value(parser));
        }
        return map;
    }

    private static Object value(JsonParser parser) {
        return switch (parser.currentToken()) {
            case START_OBJECT -> object(parser);
            case START_ARRAY -> list(parser);
            case VALUE_STRING -> parser.getString();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> Settings.NULL;
            case VALUE_NUMBER_INT -> integer(parser);
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            default -> throw new IllegalStateException("token " + parser.currentToken() + " where a value begins");
        };
    }

    /** An integer beyond 64 bits becomes a Double, which no reader of integers takes, so that the refusal can name the key. */
    private static Object integer(JsonParser parser) {
        if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
            return parser.getDoubleValue();
        }
        return parser.getLongValue();
    }

    private static List<Object> list(JsonParser parser) {
        var list = new ArrayList<Object>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            list.add(value(parser));
        }
        return list;
    }
}
