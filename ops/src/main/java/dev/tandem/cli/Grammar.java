package dev.tandem.cli;

import dev.tandem.node.flags.ProcessFlags;
import dev.tandem.node.flags.TrustSettings;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/**
 * The arguments of a verb of ours, said to picocli in its programmatic form. Help and completion come from there; what is
 * wrong, the nearest name included, is worded by {@link VerbArguments}, so that both readers of arguments speak alike. Built by a chain of calls, then used.
 */
final class Grammar {
    private static final int HELP_WIDTH = 120;
    private static final String READY_FILE = "--ready-file";
    private static final String EXIT_ON_STDIN_CLOSE = "--exit-on-stdin-close";

    private final CommandSpec spec = CommandSpec.create();

    /**
     * Begins with {@code --help} alone.
     *
     * @param command what stands behind {@code tandem}: a verb, or a verb and what it does
     * @param summary one line for the help
     */
    Grammar(String command, String summary) {
        int last = command.lastIndexOf(' ') + 1;
        CommandSpec.create()
                .name(("tandem " + command.substring(0, last)).strip())
                .addSubcommand(command.substring(last), spec); // so that the help shows the whole command
        spec.parser()
                .collectErrors(true)
                .expandAtFiles(false)
                .posixClusteredShortOptionsAllowed(false)
                .overwrittenOptionsAllowed(true)
                .unmatchedOptionsAllowedAsOptionParameters(false);
        spec.usageMessage()
                .width(HELP_WIDTH)
                .synopsisHeading("usage: ")
                .sortOptions(false)
                .sortSynopsis(false)
                .description("", escaped(summary), "");
        spec.addOption(OptionSpec.builder("-h", "--help")
                .usageHelp(true)
                .description("show this and end")
                .build());
    }

    /** picocli formats descriptions. */
    private static String escaped(String text) {
        return text.replace("%", "%%");
    }

    /** A flag with one value; of several the last counts. */
    <T> Grammar option(String name, String label, Class<T> type, ITypeConverter<T> converter, String help) {
        spec.addOption(OptionSpec.builder(name)
                .paramLabel(label)
                .type(type)
                .converters(converter)
                .description(escaped(help))
                .build());
        return this;
    }

    /** A flag whose value is any text. */
    Grammar text(String name, String label, String help) {
        return option(name, label, String.class, text -> text, help);
    }

    /** A flag that must be given, with one value. */
    <T> Grammar required(String name, String label, Class<T> type, ITypeConverter<T> converter, String help) {
        spec.addOption(OptionSpec.builder(name)
                .paramLabel(label)
                .required(true)
                .type(type)
                .converters(converter)
                .description(escaped(help))
                .build());
        return this;
    }

    /**
     * A flag with any number of values, up to the next flag. They are texts here and converted by {@link VerbArguments#values}: picocli
     * would end the list at a value that it cannot convert, and say nothing of it.
     */
    Grammar list(String name, String label, String help) {
        spec.addOption(OptionSpec.builder(name)
                .paramLabel(label)
                .arity("0..*")
                .type(List.class)
                .auxiliaryTypes(String.class)
                .description(escaped(help))
                .build());
        return this;
    }

    /** A flag with a {@code user@} or nothing behind it. */
    Grammar user(String name, String help) {
        spec.addOption(OptionSpec.builder(name)
                .paramLabel("USER@")
                .arity("0..1")
                .fallbackValue("")
                .type(String.class)
                .preprocessor((arguments, command, argument, info) -> {
                    boolean isAttached = "=".equals(info.get("separator"));
                    if (!isAttached && (arguments.isEmpty() || !arguments.peek().endsWith("@"))) {
                        arguments.push("");
                    }
                    return false; // picocli goes on and takes the value
                })
                .description(escaped(help))
                .build());
        return this;
    }

    /** A flag without a value. */
    Grammar flag(String name, String help) {
        spec.addOption(OptionSpec.builder(name)
                .type(boolean.class)
                .description(escaped(help))
                .build());
        return this;
    }

    /** A flag that the help does not show. */
    Grammar hidden(String name) {
        spec.addOption(OptionSpec.builder(name).type(boolean.class).hidden(true).build());
        return this;
    }

    /** The flags of every long-running verb, for whoever starts it. */
    Grammar process() {
        return option(READY_FILE, "FILE", Path.class, Path::of, "file that is written in one go when all is ready")
                .flag(EXIT_ON_STDIN_CLOSE, "end when standard input does, as when the parent process has gone");
    }

    /** An argument without a flag, in its place. */
    <T> Grammar argument(String label, boolean isRequired, Class<T> type, ITypeConverter<T> converter, String help) {
        int index = spec.positionalParameters().size();
        spec.addPositional(PositionalParamSpec.builder()
                .index(Integer.toString(index))
                .paramLabel(label)
                .required(isRequired)
                .arity(isRequired ? "1" : "0..1")
                .type(type)
                .converters(converter)
                .description(escaped(help))
                .build());
        return this;
    }

    /** Refuses flags that are given twice, where the last would count otherwise. */
    Grammar once() {
        spec.parser().overwrittenOptionsAllowed(false);
        return this;
    }

    /** How the verb is called, in place of the line that picocli makes of the flags. */
    Grammar synopsis(String... lines) {
        spec.usageMessage().customSynopsis(lines);
        return this;
    }

    /** Lines below the flags. */
    Grammar footer(String text) {
        spec.usageMessage().footer(escaped("\n" + text).lines().toArray(String[]::new));
        return this;
    }

    CommandSpec spec() {
        return spec;
    }

    String help() {
        return new CommandLine(spec).getUsageMessage(Ansi.OFF);
    }

    VerbArguments read(List<String> arguments) {
        return VerbArguments.read(new CommandLine(spec), arguments);
    }

    /** What was said of {@link #process}. */
    static ProcessFlags process(VerbArguments arguments) {
        return new ProcessFlags(
                arguments.value(READY_FILE, Path.class), arguments.has(EXIT_ON_STDIN_CLOSE), TrustSettings.NONE);
    }
}
