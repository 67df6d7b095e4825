package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Sorts the words of a command line as vLLM reads them: underscores and hyphens alike, {@code --name=value}, {@code --no-name}, short
 * forms with one hyphen, dotted keys of JSON flags. Collects problems in its {@link CommandLine} instead of stopping at the first.
 */
final class FlagWords {
    private final List<String> words;
    private final CommandLine line;
    private int next;

    private FlagWords(List<String> words, CommandLine line) {
        this.words = words;
        this.line = line;
    }

    static void read(List<String> words, CommandLine line) {
        var reader = new FlagWords(words, line);
        while (reader.next < words.size()) {
            reader.take();
        }
    }

    /**
     * A word that names a flag.
     *
     * @param text as it was written, before any {@code =}
     * @param name with hyphens, before any dot
     * @param path behind the first dot
     * @param attached behind the {@code =}
     */
    private record Spelling(String text, String name, Optional<String> path, Optional<String> attached) {
        static Spelling of(String word) {
            int equals = word.indexOf('=');
            String text = equals < 0 ? word : word.substring(0, equals);
            int dot = text.indexOf('.');
            String name = (dot < 0 ? text : text.substring(0, dot)).replaceFirst("^--?", "");
            return new Spelling(
                    text,
                    name.replace('_', '-'),
                    dot < 0 ? Optional.empty() : Optional.of(text.substring(dot + 1)),
                    equals < 0 ? Optional.empty() : Optional.of(word.substring(equals + 1)));
        }
    }

    private void take() {
        String word = words.get(next++);
        if (!isFlag(word)) {
            line.positional(word);
            return;
        }
        if (word.matches("-O\\d.*")) {
            word = "-O=" + word.substring(2);
        }
        Spelling spelling = Spelling.of(word);
        boolean isShort = !word.startsWith("--");
        boolean isOff = !isShort
                && spelling.name.startsWith("no-")
                && FlagTable.find(spelling.name).isEmpty();
        Optional<Flag> flag = isShort
                ? FlagTable.findShort(spelling.name)
                : FlagTable.find(isOff ? spelling.name.substring(3) : spelling.name);
        if (flag.isEmpty() || (isOff && flag.get().kind() != Kind.SWITCH)) {
            refuseUnknown(spelling, isShort);
            return;
        }
        take(flag.get(), spelling, isOff);
    }

    private void refuseUnknown(Spelling spelling, boolean isShort) {
        if (isShort) {
            line.problem("unknown flag " + spelling.text + "; the short forms are -"
                    + String.join(", -", FlagTable.shortForms())
                    + "; the nearest long one is --" + FlagTable.nearest(spelling.name));
        } else {
            line.problem("unknown flag " + spelling.text + "; the nearest is --"
                    + FlagTable.nearest(spelling.name.replaceFirst("^-+", "")));
        }
        while (next < words.size() && !isFlag(words.get(next))) {
            next++;
        }
    }

    private void take(Flag flag, Spelling spelling, boolean isOff) {
        if (flag.kind() == Kind.SWITCH) {
            takeSwitch(flag, isOff, spelling.attached);
            return;
        }
        var taken = new ArrayList<String>();
        spelling.attached.ifPresent(taken::add);
        boolean takesMore = flag.kind() == Kind.TEXTS && taken.isEmpty();
        while (next < words.size() && (taken.isEmpty() || takesMore) && !isFlag(words.get(next))) {
            taken.add(words.get(next++));
        }
        if (taken.isEmpty() && flag.kind() == Kind.OPTIONAL) {
            taken.add("");
        }
        if (taken.isEmpty()) {
            line.problem("--" + flag.name() + " needs a value");
        } else if (spelling.path.isPresent()) {
            line.putDotted(flag, spelling.path.get(), taken.getFirst());
        } else if (flag.kind() == Kind.JSON) {
            line.putObject(flag, taken.getFirst());
        } else {
            line.put(flag, taken);
        }
    }

    private void takeSwitch(Flag flag, boolean isOff, Optional<String> attached) {
        String value = attached.orElse("true").toLowerCase(Locale.ROOT);
        if (!value.equals("true") && !value.equals("false")) {
            line.problem("--" + flag.name() + " takes no value; use --" + flag.name() + " or --no-" + flag.name());
            return;
        }
        line.put(flag, List.of(Boolean.toString(value.equals("true") != isOff)));
    }

    /** Whether a word is a flag and not the value of one: negative numbers are values. */
    private static boolean isFlag(String word) {
        return word.length() > 1 && word.startsWith("-") && !Character.isDigit(word.charAt(1));
    }
}
