package dev.tandem.ops.topology;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.dataformat.yaml.YAMLFactory;

/**
 * A YAML value with the line that it stands on, so that errors can say where. Exactly one of the parts is set.
 *
 * @param line counted from 1
 * @param entries of a mapping
 * @param items of a list
 * @param text of a scalar
 */
record YamlNode(
        int line, Optional<Map<String, YamlNode>> entries, Optional<List<YamlNode>> items, Optional<String> text) {
    private static final int MAX_DEPTH = 20;

    /**
     * Parses a document.
     *
     * @throws TopologyException with the line where it is no YAML
     */
    static YamlNode parse(String source, String file) {
        try (JsonParser parser = new YAMLFactory().createParser(tools.jackson.core.ObjectReadContext.empty(), source)) {
            if (parser.nextToken() == null) {
                throw new TopologyException(file + " is empty");
            }
            return read(parser, file, 0);
        } catch (JacksonException e) {
            throw new TopologyException(
                    file + " line " + e.getLocation().getLineNr() + " is no YAML: " + e.getOriginalMessage(), e);
        }
    }

    private static YamlNode read(JsonParser parser, String file, int depth) {
        int line = parser.currentTokenLocation().getLineNr();
        if (depth > MAX_DEPTH) {
            throw new TopologyException(file + " line " + line + " is nested deeper than " + MAX_DEPTH);
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
            default ->
                new YamlNode(line, Optional.empty(), Optional.empty(), Optional.of(String.valueOf(parser.getString())));
        };
    }

    private static YamlNode mapping(JsonParser parser, String file, int depth, int line) {
        var entries = new LinkedHashMap<String, YamlNode>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = String.valueOf(parser.currentName());
            int keyLine = parser.currentTokenLocation().getLineNr();
            parser.nextToken();
            YamlNode value = read(parser, file, depth + 1);
            var atKey = new YamlNode(keyLine, value.entries, value.items, value.text);
            if (entries.put(key, atKey) != null) {
                throw new TopologyException(file + " line " + keyLine + " sets " + key + " a second time");
            }
        }
        return new YamlNode(line, Optional.of(entries), Optional.empty(), Optional.empty());
    }
}
