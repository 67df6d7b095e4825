package dev.tandem.node.flags;

import dev.tandem.trust.BoundedFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.TokenStreamFactory;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.dataformat.yaml.YAMLFactory;

/**
 * A YAML or JSON value with the line that it stands on, so that errors can say where. Exactly one of the parts is set.
 *
 * @param line counted from 1; of an entry, the line of its key
 * @param entries of a mapping
 * @param items of a list
 * @param text of a scalar; empty where nothing stands
 */
public record YamlNode(
        int line, Optional<Map<String, YamlNode>> entries, Optional<List<YamlNode>> items, Optional<String> text) {
    private static final int MAX_DEPTH = 20;
    private static final int MAX_BYTES = 1 << 20;
    // A factory has a table of names and is made to be shared.
    private static final TokenStreamFactory JSON = new JsonFactory();
    private static final TokenStreamFactory YAML = new YAMLFactory();

    /**
     * Parses a document; one that begins with a brace is read as JSON, whose indentation is free.
     *
     * @param file name for messages
     * @throws FlagException with file and line where it is not valid YAML
     */
    public static YamlNode parse(String source, String file) {
        boolean isJson = source.stripLeading().startsWith("{");
        try (JsonParser parser = (isJson ? JSON : YAML).createParser(ObjectReadContext.empty(), source)) {
            if (parser.nextToken() == null) {
                throw new FlagException(file + " is empty");
            }
            return read(parser, file, 0);
        } catch (JacksonException e) {
            throw new FlagException(file + " line " + e.getLocation().getLineNr() + " is not valid "
                    + (isJson ? "JSON" : "YAML") + ": " + e.getOriginalMessage());
        }
    }

    /**
     * The text of a file.
     *
     * @throws IOException also when it is longer than a mebibyte, as a device is, or not UTF-8
     */
    public static String source(Path file) throws IOException {
        return BoundedFile.text(file, MAX_BYTES, StandardCharsets.UTF_8);
    }

    private static YamlNode read(JsonParser parser, String file, int depth) {
        int line = parser.currentTokenLocation().getLineNr();
        if (depth > MAX_DEPTH) {
            throw new FlagException(file + " line " + line + " is nested deeper than " + MAX_DEPTH);
        }
        return switch (parser.currentToken()) {
            case START_OBJECT -> mapping(parser, file, depth, line);
            case START_ARRAY -> {
                var items = new ArrayList<YamlNode>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    items.add(read(parser, file, depth + 1));
                }
                yield new YamlNode(line, Optional.empty(), Optional.of(items), Optional.empty());
            }
            case VALUE_NULL -> new YamlNode(line, Optional.empty(), Optional.empty(), Optional.of(""));
            default ->
                new YamlNode(
                        line,
                        Optional.empty(),
                        Optional.empty(),
                        Optional.of(withoutNul(String.valueOf(parser.getString()), file, line)));
        };
    }

    private static YamlNode mapping(JsonParser parser, String file, int depth, int line) {
        var entries = new LinkedHashMap<String, YamlNode>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            int keyLine = parser.currentTokenLocation().getLineNr();
            String key = withoutNul(String.valueOf(parser.currentName()), file, keyLine);
            parser.nextToken();
            YamlNode value = read(parser, file, depth + 1);
            var atKey = new YamlNode(keyLine, value.entries, value.items, value.text);
            if (entries.put(key, atKey) != null) {
                throw new FlagException(file + " line " + keyLine + " sets " + key + " a second time");
            }
        }
        return new YamlNode(line, Optional.of(entries), Optional.empty(), Optional.empty());
    }

    /** No argument, variable or path of a process can hold a NUL. */
    private static String withoutNul(String text, String file, int line) {
        if (text.indexOf('\0') >= 0) {
            throw new FlagException(file + " line " + line + " has a NUL character in a text");
        }
        return text;
    }

    /** The same as JSON; whole numbers, true and false as such, all other scalars as texts. */
    public JsonNode toJson() {
        if (entries.isPresent()) {
            ObjectNode object = JsonNodeFactory.instance.objectNode();
            entries.get().forEach((key, value) -> object.set(key, value.toJson()));
            return object;
        }
        if (items.isPresent()) {
            var array = JsonNodeFactory.instance.arrayNode();
            items.get().forEach(item -> array.add(item.toJson()));
            return array;
        }
        String scalar = text.orElse("");
        if (scalar.matches("-?(0|[1-9]\\d{0,17})")) {
            return JsonNodeFactory.instance.numberNode(Long.parseLong(scalar));
        }
        return scalar.equals("true") || scalar.equals("false")
                ? JsonNodeFactory.instance.booleanNode(scalar.equals("true"))
                : JsonNodeFactory.instance.stringNode(scalar);
    }
}
