package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Effect;
import dev.tandem.node.flags.Flag.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The flags of a command whose grammar belongs to another program, in the order of its help, read from a text. An unindented line with a
 * colon begins a group. Every other line has a mark, the name, short forms in parentheses, {@code #} and the flag's place in the
 * commands of the deployment guides, the kind, {@code =} and harmless values, a colon and the help. The mark {@code +} means that the
 * flag acts; {@code .} that it has no effect, and the help finishes the sentence "accepted, no effect, because …"; {@code -} that it is
 * refused for the reason given, but for the harmless values, which ask for what happens anyway. Immutable.
 */
public final class FlagTable {
    private static final Pattern LINE = Pattern.compile(
            "([+.-]) ([a-z0-9-]+)(?: \\(([A-Za-z0-9 ]+)\\))?(?: #(\\d+))? ([a-z]+)(?: = (\\S+))?: (.+)");

    /** How a program spells its command line. */
    public enum Habit {
        /**
         * As vLLM reads {@code serve}: flags in full or in their short forms, {@code --no-NAME}, dotted keys of JSON flags, arguments
         * without a flag.
         */
        VLLM,
        /**
         * As Python's argparse reads the programs beside it: any beginning of a flag that fits only one, every value behind its flag;
         * whatever does not begin with two hyphens is a value.
         */
        ARGPARSE
    }

    private final Habit habit;
    private final Map<String, Flag> flags = new LinkedHashMap<>();
    private final Map<String, String> shortForms = new LinkedHashMap<>();

    private FlagTable(Habit habit) {
        this.habit = habit;
    }

    /** Reads a table from the text that describes it; a line that cannot be read is a fault of ours. */
    public static FlagTable of(Habit habit, String text) {
        var table = new FlagTable(habit);
        String group = "";
        for (String line : text.lines().filter(line -> !line.isBlank()).toList()) {
            if (!line.startsWith(" ")) {
                group = line.substring(0, line.length() - 1);
                continue;
            }
            Matcher parts = LINE.matcher(line.strip());
            if (!parts.matches()) {
                throw new IllegalStateException("this line describes no flag: " + line);
            }
            table.add(parts, group);
        }
        return table;
    }

    private void add(Matcher parts, String group) {
        String name = parts.group(2);
        String harmless = parts.group(6);
        Effect effect = switch (parts.group(1)) {
            case "+" -> new Effect.Acts();
            case "." -> new Effect.None();
            default -> new Effect.Refused(harmless == null ? List.of() : List.of(harmless.split("\\|", -1)));
        };
        OptionalInt position =
                parts.group(4) == null ? OptionalInt.empty() : OptionalInt.of(Integer.parseInt(parts.group(4)));
        var kind = Kind.valueOf(parts.group(5).toUpperCase(Locale.ROOT));
        if (flags.put(name, new Flag(name, kind, group, parts.group(7), effect, position)) != null) {
            throw new IllegalStateException("the table has --" + name + " twice");
        }
        if (parts.group(3) != null) {
            for (String shortForm : parts.group(3).split(" ", -1)) {
                shortForms.put(shortForm, name);
            }
        }
    }

    Habit habit() {
        return habit;
    }

    /** The flag of a name in full, without its hyphens. */
    public Optional<Flag> find(String name) {
        return Optional.ofNullable(flags.get(name));
    }

    /** The flags that begin like {@code spelled}; one alone when it is spelled in full. */
    List<Flag> fitting(String spelled) {
        return find(spelled)
                .map(List::of)
                .orElseGet(() -> flags.values().stream()
                        .filter(flag -> flag.name().startsWith(spelled))
                        .toList());
    }

    /** The flag that {@code -tp} and its like stand for; {@code form} without the hyphen. */
    Optional<Flag> findShort(String form) {
        return Optional.ofNullable(shortForms.get(form)).flatMap(this::find);
    }

    List<String> shortForms() {
        return List.copyOf(shortForms.keySet());
    }

    /** All flags in the order of the help. */
    public List<Flag> all() {
        return List.copyOf(flags.values());
    }

    /** The known flag that was probably meant: one that begins like {@code name}, else the one with the fewest changes. */
    public String nearest(String name) {
        return flags.keySet().stream()
                .filter(known -> name.length() > 3 && known.startsWith(name))
                .findFirst()
                .orElseGet(() -> Nearest.of(name, flags.keySet()));
    }

    /** The flags that act, by group. */
    public String help() {
        return describe(all().stream().filter(Flag::acts).toList());
    }

    /**
     * Help on a part: {@code all}, {@code listgroup}, a group, or a word that names of flags contain.
     *
     * @throws FlagException when nothing fits
     */
    public String help(String asked) {
        String word = asked.replace('_', '-').toLowerCase(Locale.ROOT);
        if (word.equals("listgroup")) {
            var text = new StringBuilder();
            all().stream()
                    .map(Flag::group)
                    .distinct()
                    .forEach(group -> text.append(group).append('\n'));
            return text.toString();
        }
        List<Flag> fitting = new ArrayList<>(all());
        if (!word.equals("all")) {
            fitting.removeIf(flag -> !flag.group().toLowerCase(Locale.ROOT).equals(word));
        }
        if (fitting.isEmpty()) {
            fitting.addAll(
                    all().stream().filter(flag -> flag.name().contains(word)).toList());
        }
        if (fitting.isEmpty()) {
            throw new FlagException("no flag or group is called " + asked + "; the nearest flag is --" + nearest(word));
        }
        return describe(fitting);
    }

    private String describe(List<Flag> described) {
        var text = new StringBuilder();
        String group = "";
        for (Flag flag : described) {
            if (!flag.group().equals(group)) {
                group = flag.group();
                text.append('\n').append(group).append(":\n");
            }
            text.append(String.format("  %-38s %s%n", spelled(flag), explained(flag)));
        }
        return text.toString();
    }

    private String spelled(Flag flag) {
        boolean canBeOff = flag.kind() == Kind.SWITCH && habit == Habit.VLLM;
        var text = new StringBuilder(canBeOff ? "--[no-]" : "--").append(flag.name());
        shortForms.forEach((form, name) -> {
            if (name.equals(flag.name())) {
                text.append(", -").append(form);
            }
        });
        return text.toString();
    }

    private static String explained(Flag flag) {
        return switch (flag.effect()) {
            case Effect.Acts() -> flag.help();
            case Effect.None() -> "accepted, no effect, because " + flag.help();
            case Effect.Refused(List<String> harmless) ->
                "refused" + (harmless.isEmpty() ? "" : " but for " + String.join(", ", harmless)) + ": " + flag.help();
        };
    }
}
