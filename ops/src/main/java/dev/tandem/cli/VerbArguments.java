package dev.tandem.cli;

import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Nearest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.TypeConversionException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The arguments of a verb of ours as picocli read them, and everything that is wrong with them. A value that cannot be used is reported
 * and is absent to whoever asks, so that a verb can look at all its flags before it refuses.
 */
final class VerbArguments {
    private final CommandLine command;
    private final ParseResult parsed;
    private final Set<String> problems = new LinkedHashSet<>();

    private VerbArguments(CommandLine command, ParseResult parsed) {
        this.command = command;
        this.parsed = parsed;
    }

    /** Reads arguments; underscores in the names of flags are hyphens. */
    static VerbArguments read(CommandLine command, List<String> arguments) {
        String[] spelled = arguments.stream().map(VerbArguments::spelled).toArray(String[]::new);
        var read = new VerbArguments(command, command.parseArgs(spelled));
        if (!read.isHelpAsked()) {
            read.report(List.of(spelled));
        }
        return read;
    }

    private static String spelled(String argument) {
        int equals = argument.indexOf('=');
        int end = equals < 0 ? argument.length() : equals;
        return argument.startsWith("--")
                ? argument.substring(0, end).replace('_', '-') + argument.substring(end)
                : argument;
    }

    private void report(List<String> spelled) {
        List<String> unknown = spelled.stream()
                .filter(VerbArguments::isFlag)
                .map(VerbArguments::nameOf)
                .filter(name -> !command.getCommandSpec().optionsMap().containsKey(name))
                .toList();
        unknown.forEach(name -> problems.add("unknown flag " + name + nearest(name)));
        if (!command.getCommandSpec().parser().overwrittenOptionsAllowed()) {
            reportTwice(spelled);
        }
        Map<ArgSpec, String> unusable = reportUnusable();
        if (unknown.isEmpty()) { // else they may be the values of what is unknown
            parsed.unmatched().stream()
                    .filter(argument -> !unusable.containsValue(argument))
                    .forEach(argument -> problems.add("unexpected argument " + argument));
        }
        parsed.errors().forEach(error -> {
            if (error instanceof MissingParameterException missing) {
                missing.getMissing().stream()
                        .filter(argument -> !unusable.containsKey(argument))
                        .forEach(argument -> problems.add(nameOf(argument) + lack(argument, spelled)));
            } else if (!isReported(error)) {
                problems.add(String.valueOf(error.getMessage()));
            }
        });
    }

    /** Reports values that cannot be converted; returns them by what they were given for. */
    private Map<ArgSpec, String> reportUnusable() {
        var unusable = new HashMap<ArgSpec, String>();
        for (Exception error : parsed.errors()) {
            if (error instanceof ParameterException wrong
                    && wrong.getCause() instanceof TypeConversionException cause) {
                problems.add(nameOf(wrong.getArgSpec()) + " " + cause.getMessage());
                unusable.put(wrong.getArgSpec(), wrong.getValue());
            }
        }
        return unusable;
    }

    private static boolean isReported(Exception error) {
        return error instanceof UnmatchedArgumentException
                || error instanceof OverwrittenOptionException
                || error.getCause() instanceof TypeConversionException;
    }

    /** Negative numbers are values. */
    private static boolean isFlag(String argument) {
        return argument.length() > 1 && argument.startsWith("-") && !Character.isDigit(argument.charAt(1));
    }

    private static String nameOf(String argument) {
        int equals = argument.indexOf('=');
        return equals < 0 ? argument : argument.substring(0, equals);
    }

    private void reportTwice(List<String> spelled) {
        for (String name : command.getCommandSpec().optionsMap().keySet()) {
            long times = spelled.stream()
                    .filter(argument -> nameOf(argument).equals(name))
                    .count();
            if (times > 1) {
                problems.add(name + " is given twice");
            }
        }
    }

    private String nearest(String name) {
        List<String> known = command.getCommandSpec().options().stream()
                .filter(option -> !option.hidden() && !option.usageHelp())
                .map(OptionSpec::longestName)
                .toList();
        return "; the nearest is " + Nearest.of(name, known);
    }

    private static String nameOf(ArgSpec argument) {
        return argument instanceof OptionSpec option ? option.longestName() : argument.paramLabel();
    }

    private static String lack(ArgSpec argument, List<String> spelled) {
        return argument.isOption() && spelled.contains(nameOf(argument)) ? " needs a value" : " is missing";
    }

    boolean isHelpAsked() {
        return parsed.isUsageHelpRequested();
    }

    /** Whether a flag was given, or a flag without a value is on. */
    boolean has(String flag) {
        return parsed.hasMatchedOption(flag) && !Boolean.FALSE.equals(parsed.matchedOptionValue(flag, (Object) true));
    }

    /** The value of a flag; empty when it was not given, or cannot be used. */
    <T> Optional<T> value(String flag, Class<T> type) {
        return Optional.ofNullable(parsed.matchedOptionValue(flag, (Object) null))
                .map(type::cast);
    }

    /** The value of a flag as it was written. */
    Optional<String> text(String flag) {
        return parsed.hasMatchedOption(flag)
                ? Optional.of(parsed.matchedOption(flag).originalStringValues().getLast())
                : Optional.empty();
    }

    /** The values of a flag with several, as they were written; none when it was not given. */
    List<String> texts(String flag) {
        return parsed.matchedOptionValue(flag, List.of());
    }

    /** The values of a flag with several, those that can be used; {@code reader} refuses with {@link IllegalArgumentException}. */
    <T> List<T> values(String flag, Function<String, T> reader) {
        var values = new ArrayList<T>();
        for (String text : texts(flag)) {
            try {
                values.add(reader.apply(text));
            } catch (IllegalArgumentException e) {
                problems.add(flag + " " + e.getMessage());
            }
        }
        return values;
    }

    /** The argument without a flag in a place, counted from 0. */
    <T> Optional<T> argument(int index, Class<T> type) {
        return Optional.ofNullable(parsed.matchedPositionalValue(index, (Object) null))
                .map(type::cast);
    }

    /** Reports what contradicts itself. */
    void problem(String text) {
        problems.add(text);
    }

    /**
     * Ends the reading.
     *
     * @throws FlagException with all problems, where there are any
     */
    void refuseProblems() {
        if (!problems.isEmpty()) {
            throw new FlagException(List.copyOf(problems));
        }
    }
}
