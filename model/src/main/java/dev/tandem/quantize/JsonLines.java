package dev.tandem.quantize;

import java.util.Map;
import java.util.stream.Collectors;

/** JSON of texts by name, one line per name. Names are those of checked tensors and need no escapes. Stateless. */
final class JsonLines {
    private JsonLines() {}

    static String object(Map<String, String> texts) {
        return texts.entrySet().stream()
                .map(entry -> " \"" + entry.getKey() + "\": \"" + entry.getValue() + "\"")
                .collect(Collectors.joining(",\n", "{\n", "\n}\n"));
    }
}
