package dev.tandem.node.flags;

import dev.tandem.node.flags.Flag.Kind;
import dev.tandem.node.flags.FlagTable.Habit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Sorts the arguments of a command line by its {@link FlagTable}, in the habit of the program that the table comes from. In both habits
 * underscores and hyphens are alike, and {@code --name=value} is {@code --name value}. Problems are collected in {@link FlagArguments}
 * instead of stopping at the first.
 */
final class ArgumentReader {
    /** A flag that has grown onto the value before it, as where a continued line ends without a blank before its backslash. */
    private static final Pattern GLUED = Pattern.compile("(.+?)(--[a-z][a-z_-]*)(=.*)?");

    private final FlagTable table;
    private final boolean isArgparse;
    private final List<String> arguments;
    private final FlagArguments target;
    private int next;

    private ArgumentReader(FlagTable table, List<String> arguments, FlagArguments target) {
        this.table = table;
        this.isArgparse = table.habit() == Habit.ARGPARSE;
        this.arguments = arguments;
        this.target = target;
    }

    static void read(FlagTable table, List<String> arguments, FlagArguments target) {
        var reader = new ArgumentReader(table, arguments, target);
        if (reader.isArgparse && reader.refusesGlued()) {
            return; // whatever else there is to say follows from it
        }
        while (reader.next < arguments.size()) {
            reader.take();
        }
    }

    private boolean refusesGlued() {
        List<Matcher> glued = arguments.stream()
                .filter(argument -> !argument.startsWith("--"))
                .map(GLUED::matcher)
                .filter(Matcher::matches)
                .toList();
        glued.forEach(match -> target.problem("'" + match.group() + "': a blank is missing before " + match.group(2)
                + "; does a continued line end without one?"));
        return !glued.isEmpty();
    }

    /**
     * An argument that names a flag.
     *
     * @param text as it was written, before any {@code =}
     * @param name with hyphens, before any dot
     * @param path behind the first dot
     * @param attached behind the {@code =}
     */
    private record Spelling(String text, String name, Optional<String> path, Optional<String> attached) {
        static Spelling of(String argument) {
            int equals = argument.indexOf('=');
            String text = equals < 0 ? argument : argument.substring(0, equals);
            int dot = text.indexOf('.');
            String name = (dot < 0 ? text : text.substring(0, dot)).replaceFirst("^--?", "");
            return new Spelling(
                    text,
                    name.replace('_', '-'),
                    dot < 0 ? Optional.empty() : Optional.of(text.substring(dot + 1)),
                    equals < 0 ? Optional.empty() : Optional.of(argument.substring(equals + 1)));
        }
    }

    private void take() {
        String argument = arguments.get(next++);
        if (!isFlag(argument)) {
            if (isArgparse) {
                target.problem(argument + " belongs to no flag; lists are separated by blanks");
            } else {
                target.positional(argument);
            }
        } else if (isArgparse) {
            takeAbbreviated(Spelling.of(argument));
        } else {
            takeExact(Spelling.of(argument.matches("-O\\d.*") ? "-O=" + argument.substring(2) : argument));
        }
    }

    private void takeAbbreviated(Spelling spelling) {
        List<Flag> fitting = table.fitting(spelling.name);
        if (fitting.size() == 1) {
            take(fitting.getFirst(), spelling, false);
        } else if (fitting.isEmpty()) {
            refuse(spelling, "the nearest is --" + table.nearest(spelling.name));
        } else {
            refuse(spelling, "it may mean " + fitting.stream().map(Flag::name).toList());
        }
    }

    private void takeExact(Spelling spelling) {
        boolean isShort = !spelling.text.startsWith("--");
        boolean isOff = !isShort
                && spelling.name.startsWith("no-")
                && table.find(spelling.name).isEmpty();
        Optional<Flag> flag = isShort
                ? table.findShort(spelling.name)
                : table.find(isOff ? spelling.name.substring(3) : spelling.name);
        if (flag.isPresent() && (!isOff || flag.get().kind() == Kind.SWITCH)) {
            take(flag.get(), spelling, isOff);
        } else if (isShort) {
            refuse(
                    spelling,
                    "the short forms are -" + String.join(", -", table.shortForms()) + "; the nearest long one is --"
                            + table.nearest(spelling.name));
        } else {
            refuse(spelling, "the nearest is --" + table.nearest(spelling.name.replaceFirst("^-+", "")));
        }
    }

    /** Reports a flag that is not known, and passes over its values. */
    private void refuse(Spelling spelling, String hint) {
        target.problem("unknown flag " + spelling.text + "; " + hint);
        while (hasValue()) {
            next++;
        }
    }

    private void take(Flag flag, Spelling spelling, boolean isOff) {
        if (flag.kind() == Kind.SWITCH) {
            takeSwitch(flag, isOff, spelling.attached);
            return;
        }
        List<String> taken = values(flag, spelling.attached);
        if (taken.isEmpty() && (flag.kind() == Kind.OPTIONAL || flag.kind() == Kind.USER)) {
            taken = List.of("");
        }
        if (taken.isEmpty()) {
            target.problem("--" + flag.name() + " needs a value");
        } else if (taken.size() > 1 && !flag.takesSeveral()) {
            target.problem("--" + flag.name() + " takes one value, found " + taken);
        } else if (spelling.path.isPresent()) {
            target.putDotted(flag, spelling.path.get(), taken.getFirst());
        } else if (flag.kind() == Kind.JSON) {
            target.putObject(flag, taken.getFirst());
        } else {
            target.put(flag, taken);
        }
    }

    /** The values of a flag: what is attached to it, else one argument, or all up to the next flag. */
    private List<String> values(Flag flag, Optional<String> attached) {
        if (attached.isPresent()) {
            return List.of(attached.get());
        }
        var taken = new ArrayList<String>();
        boolean takesAll = flag.takesSeveral() || (isArgparse && flag.kind() != Kind.USER);
        while (hasValue() && (taken.isEmpty() || takesAll)) {
            if (flag.kind() == Kind.USER && !arguments.get(next).endsWith("@")) {
                break;
            }
            taken.add(arguments.get(next++));
        }
        return taken;
    }

    private void takeSwitch(Flag flag, boolean isOff, Optional<String> attached) {
        if (isArgparse) {
            List<String> values = values(flag, attached);
            if (values.isEmpty()) {
                target.put(flag, List.of("true"));
            } else {
                target.problem("--" + flag.name() + " takes no value, but has " + values);
            }
            return;
        }
        String value = attached.orElse("true").toLowerCase(Locale.ROOT);
        if (value.equals("true") || value.equals("false")) {
            target.put(flag, List.of(Boolean.toString(value.equals("true") != isOff)));
        } else {
            target.problem("--" + flag.name() + " takes no value; use --" + flag.name() + " or --no-" + flag.name());
        }
    }

    private boolean hasValue() {
        return next < arguments.size() && !isFlag(arguments.get(next));
    }

    /** Whether an argument is a flag and not the value of one; for vLLM one hyphen makes a flag, but negative numbers are values. */
    private boolean isFlag(String argument) {
        return isArgparse
                ? argument.startsWith("--")
                : argument.length() > 1 && argument.startsWith("-") && !Character.isDigit(argument.charAt(1));
    }
}
