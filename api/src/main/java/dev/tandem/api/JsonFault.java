package dev.tandem.api;

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.databind.json.JsonMapper;

/**
 * Says where a refused text stops being JSON, and why, for its sender. The text is read once more as characters, since a parser of bytes
 * counts columns in bytes; what the parser says of its own settings is taken out of its message. Pure.
 */
final class JsonFault {
    private static final int MAX_SHOWN = 200;

    /** What of the parser's messages means nothing to a client, and what stands there instead. */
    private static final Map<Pattern, String> REPLACED = new LinkedHashMap<>();

    static {
        REPLACED.put(Pattern.compile("^Trailing token .*$"), "more text behind the value");
        REPLACED.put(Pattern.compile("\\(\\(CTRL-CHAR, code (\\d+)\\)\\)"), "(control character $1)");
        REPLACED.put(Pattern.compile(" \\(code \\d+[^)]*\\)"), "");
        REPLACED.put(Pattern.compile(", from `StreamReadConstraints[^`]*`"), "");
        REPLACED.put(Pattern.compile(": enable `[^`]*` to allow"), "");
        REPLACED.put(Pattern.compile(" \\((start marker at|not recognized as one since) .*$"), "");
    }

    private JsonFault() {}

    /**
     * As in {@code line 1 column 9: unexpected character ('2'): was expecting comma to separate Array entries}.
     *
     * @param mapper that refuses what the text is refused for
     * @param cause why a parser of the bytes refused it: told where the characters alone are not at fault, as with bytes that are not UTF-8
     */
    static String describe(byte[] json, JsonMapper mapper, JacksonException cause) {
        String text = new String(json, StandardCharsets.UTF_8);
        try (JsonParser parser = mapper.createParser(text.startsWith("\uFEFF") ? text.substring(1) : text)) {
            try {
                mapper.readTree(parser);
            } catch (JacksonException e) {
                TokenStreamLocation known = e.getLocation();
                return place(known == null ? parser.currentLocation() : known) + problem(e);
            }
        }
        return place(cause.getLocation()) + problem(cause);
    }

    private static String place(@Nullable TokenStreamLocation location) {
        return location == null ? "" : "line " + location.getLineNr() + " column " + location.getColumnNr() + ": ";
    }

    private static String problem(JacksonException fault) {
        String problem = String.valueOf(fault.getOriginalMessage());
        for (Map.Entry<Pattern, String> replaced : REPLACED.entrySet()) {
            problem = replaced.getKey().matcher(problem).replaceAll(replaced.getValue());
        }
        String shown = problem.substring(0, Math.min(problem.length(), MAX_SHOWN));
        return shown.substring(0, 1).toLowerCase(Locale.ROOT) + shown.substring(1);
    }
}
