package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Effect;
import dev.tandem.node.flags.Flag.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** All flags of {@code tandem serve}, in the order of its help: the words of {@link FlagList}, read once. */
public final class FlagTable {
    /** mark, name, short forms, kind, harmless values, help. */
    private static final Pattern LINE =
            Pattern.compile("([+.-]) ([a-z0-9-]+)(?: \\(([A-Za-z0-9 ]+)\\))? ([a-z]+)(?: = (\\S+))?: (.+)");

    private static final FlagTable TABLE = read(FlagList.WORDS);

    private final Map<String, Flag> flags = new LinkedHashMap<>();
    private final Map<String, String> shortForms = new LinkedHashMap<>();

    private FlagTable() {}

    private static FlagTable read(String words) {
        var table = new FlagTable();
        String group = "";
        for (String line : words.lines().filter(line -> !line.isBlank()).toList()) {
            if (!line.startsWith(" ")) {
                group = line.substring(0, line.length() - 1);
                continue;
            }
            Matcher parts = LINE.matcher(line.strip());
            if (!parts.matches()) {
                throw new IllegalStateException("no flag: " + line);
            }
            table.add(parts, group);
        }
        return table;
    }

    private void add(Matcher parts, String group) {
        String name = parts.group(2);
        String harmless = parts.group(5);
        Effect effect = switch (parts.group(1)) {
            case "+" -> new Effect.Acts();
            case "." -> new Effect.None();
            default -> new Effect.Refused(harmless == null ? List.of() : List.of(harmless.split("\\|", -1)));
        };
        var flag = new Flag(name, Kind.valueOf(parts.group(4).toUpperCase(Locale.ROOT)), group, parts.group(6), effect);
        if (flags.put(name, flag) != null) {
            throw new IllegalStateException("--" + name + " stands twice in the list of flags");
        }
        if (parts.group(3) != null) {
            for (String shortForm : parts.group(3).split(" ", -1)) {
                shortForms.put(shortForm, name);
            }
        }
    }

    public static Optional<Flag> find(String name) {
        return Optional.ofNullable(TABLE.flags.get(name));
    }

    /** The flag that {@code -tp} and its like stand for; {@code form} without the hyphen. */
    static Optional<Flag> findShort(String form) {
        return Optional.ofNullable(TABLE.shortForms.get(form)).flatMap(FlagTable::find);
    }

    static List<String> shortForms() {
        return List.copyOf(TABLE.shortForms.keySet());
    }

    /** All flags in the order of the help. */
    public static List<Flag> all() {
        return List.copyOf(TABLE.flags.values());
    }

    /** The known flag that was probably meant: one that begins with the word, else the one with the fewest changes. */
    public static String nearest(String name) {
        return TABLE.flags.keySet().stream()
                .filter(known -> name.length() > 3 && known.startsWith(name))
                .findFirst()
                .orElseGet(() -> Nearest.of(name, TABLE.flags.keySet()));
    }

    /** The help: the flags that act, by group. */
    public static String help() {
        var text = new StringBuilder("usage: tandem serve CHECKPOINT [flags]\n");
        describe(text, all().stream().filter(Flag::acts).toList());
        text.append('\n').append(FlagList.KV_TRANSFER_KEYS);
        long none = all().stream()
                .filter(flag -> flag.effect() instanceof Effect.None)
                .count();
        long refused = all().stream()
                .filter(flag -> flag.effect() instanceof Effect.Refused)
                .count();
        return text.append("\nOf vLLM's other flags ")
                .append(none)
                .append(" are accepted and have no effect, ")
                .append(refused)
                .append(" are refused, each with the reason.\n")
                .append(
                        "--help=all lists them too; --help=ParallelConfig a group; --help=WORD the flags with the word.\n")
                .toString();
    }

    /**
     * Help on a part: {@code all}, {@code listgroup}, a group, or a word that names of flags contain.
     *
     * @throws FlagException when nothing fits
     */
    public static String help(String asked) {
        String word = asked.replace('_', '-').toLowerCase(Locale.ROOT);
        var text = new StringBuilder();
        if (word.equals("listgroup")) {
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
        describe(text, fitting);
        return text.toString();
    }

    private static void describe(StringBuilder text, List<Flag> flags) {
        String group = "";
        for (Flag flag : flags) {
            if (!flag.group().equals(group)) {
                group = flag.group();
                text.append('\n').append(group).append(":\n");
            }
            text.append(String.format("  %-38s %s%n", spelled(flag), explained(flag)));
        }
    }

    private static String spelled(Flag flag) {
        var text = new StringBuilder(flag.kind() == Kind.SWITCH ? "--[no-]" : "--").append(flag.name());
        TABLE.shortForms.forEach((form, name) -> {
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
