package dev.tandem.cli;

import dev.tandem.node.flags.Flag;
import dev.tandem.node.flags.Flag.Kind;
import dev.tandem.node.flags.FlagTable;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** What verbs whose grammar belongs to another program have in common: their help, and their flags for shell completion. */
final class ForeignGrammar {
    private static final String HELP_ON = "--help=";

    private ForeignGrammar() {}

    /**
     * The help that the arguments ask for: all of it with {@code --help} or {@code -h}, a part with {@code --help=PART}.
     *
     * @param help all of it
     */
    static Optional<String> help(List<String> arguments, FlagTable table, String help) {
        for (String argument : arguments) {
            if (argument.equals("--help") || argument.equals("-h")) {
                return Optional.of(help);
            }
            if (argument.startsWith(HELP_ON)) {
                return Optional.of(table.help(argument.substring(HELP_ON.length())));
            }
        }
        return Optional.empty();
    }

    /** The flags that act; arguments are read by the table, never by this. */
    static CommandSpec spec(FlagTable table) {
        CommandSpec spec = CommandSpec.create();
        table.all().stream().filter(Flag::acts).forEach(flag -> spec.addOption(option(flag)));
        return spec;
    }

    private static OptionSpec option(Flag flag) {
        OptionSpec.Builder option =
                OptionSpec.builder("--" + flag.name()).description(flag.help().replace("%", "%%"));
        if (flag.kind() == Kind.SWITCH) {
            return option.type(boolean.class).build();
        }
        return option.type(String.class).arity("1").build();
    }
}
