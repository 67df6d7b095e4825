package dev.tandem.node.flags;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Words of a command line sorted by flag, as vLLM reads them: underscores and hyphens alike, {@code --name=value}, {@code --no-name},
 * dotted keys of JSON flags. Collects problems instead of stopping at the first.
 */
final class CommandLine {
    private static final JsonMapper JSON = JsonMapper.shared();

    private final Map<String, List<String>> values = new LinkedHashMap<>();
    private final Map<String, ObjectNode> objects = new LinkedHashMap<>();
    private final List<String> positional = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();

    static CommandLine read(List<String> words) {
        var line = new CommandLine();
        int next = 0;
        while (next < words.size()) {
            next = line.take(words, next);
        }
        return line;
    }

    private int take(List<String> words, int at) {
        String word = words.get(at);
        if (!word.startsWith("--") || word.equals("--")) {
            if (word.startsWith("-") && !word.equals("-")) {
                problems.add(word + " is no flag; flags begin with two hyphens");
            } else {
                positional.add(word);
            }
            return at + 1;
        }
        int equals = word.indexOf('=');
        String spelled = word.substring(2, equals < 0 ? word.length() : equals);
        int dot = spelled.indexOf('.');
        String name = (dot < 0 ? spelled : spelled.substring(0, dot)).replace('_', '-');
        Optional<String> attached = equals < 0 ? Optional.empty() : Optional.of(word.substring(equals + 1));
        boolean isOff = FlagTable.find(name).isEmpty() && name.startsWith("no-");
        Optional<Flag> flag = FlagTable.find(isOff ? name.substring(3) : name);
        if (flag.isEmpty() || (isOff && flag.get().kind() != Flag.Kind.SWITCH)) {
            problems.add("unknown flag --" + spelled + "; the nearest is --" + FlagTable.nearest(name));
            return skipValues(words, at + 1);
        }
        if (flag.get().kind() == Flag.Kind.SWITCH) {
            return takeSwitch(flag.get(), isOff, attached, at + 1);
        }
        List<String> taken = new ArrayList<>(attached.map(List::of).orElse(List.of()));
        int next = at + 1;
        boolean wantsMore = flag.get().kind() == Flag.Kind.TEXTS;
        while (next < words.size()
                && (taken.isEmpty() || (wantsMore && attached.isEmpty()))
                && isValue(words.get(next))) {
            taken.add(words.get(next++));
        }
        if (taken.isEmpty()) {
            problems.add("--" + name + " needs a value");
            return next;
        }
        if (dot >= 0) {
            putDotted(flag.get(), spelled.substring(dot + 1), taken.getFirst());
        } else if (flag.get().kind() == Flag.Kind.JSON) {
            putObject(flag.get(), taken.getFirst());
        } else {
            values.put(flag.get().name(), taken);
        }
        return next;
    }

    private int takeSwitch(Flag flag, boolean isOff, Optional<String> attached, int next) {
        String value = attached.orElse("true").toLowerCase(java.util.Locale.ROOT);
        if (!value.equals("true") && !value.equals("false")) {
            problems.add("--" + flag.name() + " takes no value; use --" + flag.name() + " or --no-" + flag.name());
            return next;
        }
        values.put(flag.name(), List.of(Boolean.toString(value.equals("true") != isOff)));
        return next;
    }

    private static boolean isValue(String word) {
        return !word.startsWith("--");
    }

    private static int skipValues(List<String> words, int next) {
        int at = next;
        while (at < words.size() && isValue(words.get(at))) {
            at++;
        }
        return at;
    }

    private void putObject(Flag flag, String text) {
        try {
            JsonNode node = JSON.readTree(text);
            if (node.isObject()) {
                objects.computeIfAbsent(flag.name(), name -> JsonNodeFactory.instance.objectNode())
                        .setAll((ObjectNode) node);
                return;
            }
            problems.add("--" + flag.name() + " must be a JSON object, not " + text);
        } catch (JacksonException e) {
            problems.add("--" + flag.name() + " is no JSON: " + e.getOriginalMessage() + " in " + text);
        }
    }

    private void putDotted(Flag flag, String path, String text) {
        if (flag.kind() != Flag.Kind.JSON) {
            problems.add("--" + flag.name() + " has no keys; --" + flag.name() + "." + path + " cannot be set");
            return;
        }
        ObjectNode object = objects.computeIfAbsent(flag.name(), name -> JsonNodeFactory.instance.objectNode());
        String[] keys = path.split("\\.", -1);
        for (int i = 0; i < keys.length - 1; i++) {
            object = object.path(keys[i]).isObject() ? (ObjectNode) object.path(keys[i]) : object.putObject(keys[i]);
        }
        JsonNode value;
        try {
            value = JSON.readTree(text);
        } catch (JacksonException e) {
            value = JsonNodeFactory.instance.stringNode(text);
        }
        object.set(keys[keys.length - 1], value);
    }

    List<String> positional() {
        return positional;
    }

    List<String> problems() {
        return problems;
    }

    void problem(String text) {
        problems.add(text);
    }

    /** Flags that were given and have no effect. */
    List<Flag> withoutEffect() {
        return values.keySet().stream()
                .map(name -> FlagTable.find(name).orElseThrow())
                .filter(flag -> !flag.hasEffect())
                .toList();
    }

    Optional<String> text(String name) {
        return Optional.ofNullable(values.get(name)).map(List::getLast);
    }

    List<String> texts(String name) {
        return values.getOrDefault(name, List.of());
    }

    Optional<Boolean> flag(String name) {
        return text(name).map(Boolean::parseBoolean);
    }

    Optional<ObjectNode> object(String name) {
        return Optional.ofNullable(objects.get(name));
    }

    /** A whole number within {@code [min, max]}; k, m, g are decimal, K, M, G binary multiples. */
    Optional<Long> whole(String name, long min, long max) {
        return text(name).flatMap(text -> {
            Optional<Long> value = WholeNumber.parse(text);
            if (value.isEmpty()) {
                problems.add("--" + name + " must be a whole number such as 4096 or 32k, not " + text);
            } else if (value.get() < min || value.get() > max) {
                problems.add("--" + name + " " + text + " is outside [" + min + ", " + max + "]");
                return Optional.empty();
            }
            return value;
        });
    }

    Optional<Double> number(String name, double above, double max) {
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
}
