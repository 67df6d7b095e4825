package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Effect;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * What was said of each flag of a {@link FlagTable}, on the command line and in the file of {@code --config}, and what is wrong with it.
 * {@link ArgumentReader} and {@link ConfigFile} fill it; the records of {@link ServeFlags} and of the other commands read it. A value that
 * cannot be used is reported here and is empty to whoever asked, so that all problems of a line come together. Used by one thread.
 */
public final class FlagArguments {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private final FlagTable table;
    private final Map<String, List<String>> values = new LinkedHashMap<>();
    private final Map<String, ObjectNode> objects = new LinkedHashMap<>();
    private final Set<String> wholeObjects = new LinkedHashSet<>();
    private final List<String> positional = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();

    FlagArguments(FlagTable table) {
        this.table = table;
    }

    /** Reads arguments, and the file that they name with {@code --config}; arguments win over the file. */
    public static FlagArguments read(FlagTable table, List<String> arguments) {
        var read = new FlagArguments(table);
        ArgumentReader.read(table, arguments, read);
        read.text("config").ifPresent(path -> {
            var file = new FlagArguments(table);
            ConfigFile.read(Path.of(path), file);
            read.fill(file);
        });
        return read;
    }

    FlagTable table() {
        return table;
    }

    /** Takes from another what this one does not say. */
    void fill(FlagArguments other) {
        problems.addAll(other.problems);
        other.values.forEach((name, texts) -> {
            if (!name.equals("model") || positional.isEmpty()) {
                values.putIfAbsent(name, texts);
            }
        });
        other.objects.forEach((name, object) -> {
            if (!wholeObjects.contains(name)) {
                fill(objectOf(name), object);
            }
        });
    }

    private static void fill(ObjectNode object, ObjectNode other) {
        other.properties().forEach(entry -> {
            JsonNode own = object.path(entry.getKey());
            if (own.isMissingNode()) {
                object.set(entry.getKey(), entry.getValue());
            } else if (own.isObject() && entry.getValue().isObject()) {
                fill((ObjectNode) own, (ObjectNode) entry.getValue());
            }
        });
    }

    void positional(String argument) {
        positional.add(argument);
    }

    void put(Flag flag, List<String> texts) {
        var all = new ArrayList<>(flag.kind() == Flag.Kind.LIST ? texts(flag.name()) : List.of());
        all.addAll(texts);
        values.put(flag.name(), List.copyOf(all));
    }

    /** A JSON flag as one text: an object, or for {@code -O} a level. */
    void putObject(Flag flag, String text) {
        try {
            JsonNode node = JSON.readTree(text);
            if (node.isObject()) {
                putObject(flag, (ObjectNode) node);
            } else if (node.isIntegralNumber() && !flag.acts()) {
                put(flag, List.of(text));
            } else {
                problems.add("--" + flag.name() + " must be a JSON object, not " + text);
            }
        } catch (JacksonException e) {
            problems.add("--" + flag.name() + " is not valid JSON: " + e.getOriginalMessage() + " in " + text);
        }
    }

    void putObject(Flag flag, ObjectNode object) {
        wholeObjects.add(flag.name());
        objectOf(flag.name()).setAll(object);
    }

    /** One key of a JSON flag; a {@code +} at the key's end adds to a list, values separated by commas. */
    void putDotted(Flag flag, String path, String text) {
        if (flag.kind() != Flag.Kind.JSON) {
            problems.add("--" + flag.name() + " has no keys; --" + flag.name() + "." + path + " cannot be set");
            return;
        }
        ObjectNode object = objectOf(flag.name());
        String[] keys = path.split("\\.", -1);
        for (int i = 0; i < keys.length - 1; i++) {
            object = object.path(keys[i]).isObject() ? (ObjectNode) object.path(keys[i]) : object.putObject(keys[i]);
        }
        String last = keys[keys.length - 1];
        if (!last.endsWith("+")) {
            object.set(last, value(text));
            return;
        }
        String list = last.substring(0, last.length() - 1);
        ArrayNode items = object.path(list).isArray() ? (ArrayNode) object.path(list) : object.putArray(list);
        for (String item : text.split(",", -1)) {
            items.add(value(item));
        }
    }

    private static JsonNode value(String text) {
        try {
            return JSON.readTree(text);
        } catch (JacksonException e) {
            return JsonNodeFactory.instance.stringNode(text);
        }
    }

    private ObjectNode objectOf(String name) {
        return objects.computeIfAbsent(name, absent -> JsonNodeFactory.instance.objectNode());
    }

    List<String> positional() {
        return positional;
    }

    List<String> problems() {
        return problems;
    }

    /** Reports what is wrong, beside what this class finds. */
    public void problem(String text) {
        problems.add(text);
    }

    /** How many problems have been reported so far. */
    public int problemCount() {
        return problems.size();
    }

    /**
     * Ends the reading.
     *
     * @throws FlagException with all problems, where there are any
     */
    public void refuseProblems() {
        if (!problems.isEmpty()) {
            throw new FlagException(problems.stream().distinct().toList());
        }
    }

    /** Reports refused flags; returns a sentence for each flag that was given and has no effect. */
    public List<String> notes() {
        var notes = new ArrayList<String>();
        var given = new LinkedHashSet<>(values.keySet());
        given.addAll(objects.keySet());
        for (String name : given) {
            Flag flag = table.find(name).orElseThrow();
            String note = "--" + name + ": accepted, no effect, because " + flag.help();
            switch (flag.effect()) {
                case Effect.Acts() -> {}
                case Effect.None() -> notes.add(note);
                case Effect.Refused refused -> {
                    String value = text(name).orElseGet(() -> String.valueOf(objects.get(name)));
                    if (refused.isHarmless(value) || (flag.kind() == Flag.Kind.SWITCH && value.equals("false"))) {
                        notes.add(note);
                    } else {
                        problems.add("--" + name + (flag.kind() == Flag.Kind.SWITCH ? "" : " " + value)
                                + " is refused: " + flag.help()
                                + (refused.harmless().isEmpty()
                                        ? ""
                                        : " (" + String.join(", ", refused.harmless()) + " would do)"));
                    }
                }
            }
        }
        return notes;
    }

    /** Whether the flag was given. */
    public boolean has(String name) {
        return values.containsKey(name) || objects.containsKey(name);
    }

    /** The last value of the flag. */
    public Optional<String> text(String name) {
        return Optional.ofNullable(values.get(name)).map(List::getLast);
    }

    /** All values of the flag; none when it was not given. */
    public List<String> texts(String name) {
        return values.getOrDefault(name, List.of());
    }

    /** Whether the switch is on; {@code absent} when nothing was said of it. */
    public boolean isOn(String name, boolean absent) {
        return text(name).map(Boolean::parseBoolean).orElse(absent);
    }

    Optional<ObjectNode> object(String name) {
        return Optional.ofNullable(objects.get(name));
    }

    /** One of {@code known}; {@code absent} when the flag was not given, or has another value. */
    public String word(String name, List<String> known, String absent) {
        String word = text(name).orElse(absent);
        if (known.contains(word)) {
            return word;
        }
        problems.add("--" + name + " must be one of " + String.join(", ", known) + ", not " + word);
        return absent;
    }

    /** A whole number within {@code [min, max]}; k, m, g are decimal, K, M, G binary multiples. */
    public Optional<Long> whole(String name, long min, long max) {
        return text(name).flatMap(text -> whole(name, text, min, max));
    }

    /** A whole number within {@code [min, max]}; {@code absent} when the flag was not given, or cannot be used. */
    public int whole(String name, int min, int max, int absent) {
        return whole(name, min, max).map(Long::intValue).orElse(absent);
    }

    /** The whole numbers of a flag with several values; {@code standIn} for each that cannot be used. */
    public List<Integer> wholes(String name, int min, int max, int standIn) {
        return texts(name).stream()
                .map(text -> whole(name, text, min, max).map(Long::intValue).orElse(standIn))
                .toList();
    }

    private Optional<Long> whole(String name, String text, long min, long max) {
        Optional<Long> value = WholeNumber.parse(text);
        if (value.isEmpty()) {
            problems.add("--" + name + " must be a whole number, such as 4096 or 32k, not " + text);
        } else if (value.get() < min || value.get() > max) {
            problems.add("--" + name + " " + text + " is outside [" + min + ", " + max + "]");
            return Optional.empty();
        }
        return value;
    }

    /** A number above {@code above} and at most {@code max}. */
    public Optional<Double> number(String name, double above, double max) {
        return text(name).flatMap(text -> {
            try {
                double value = Double.parseDouble(text);
                if (value > above && value <= max) {
                    return Optional.of(value);
                }
                problems.add("--" + name + " " + text + " is outside (" + above + ", " + max + "]");
            } catch (NumberFormatException e) {
                problems.add("--" + name + " must be a number, not " + text);
            }
            return Optional.empty();
        });
    }

    /** A time of at most {@code maxSeconds}, given in seconds. */
    public Optional<Duration> seconds(String name, int maxSeconds) {
        return text(name).flatMap(text -> {
            try {
                double seconds = Double.parseDouble(text);
                if (seconds >= 0 && seconds <= maxSeconds) {
                    return Optional.of(Duration.ofNanos((long) (seconds * 1e9)));
                }
                problems.add("--" + name + " " + text + " is outside [0, " + maxSeconds + "] seconds");
            } catch (NumberFormatException e) {
                problems.add("--" + name + " must be a number of seconds, not " + text);
            }
            return Optional.empty();
        });
    }
}
