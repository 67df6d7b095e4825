package dev.tandem.cli;

import java.util.List;
import java.util.function.Supplier;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem completion bash}: prints the script that completes verbs and flags in a shell. */
final class CompletionCommand implements Verb {
    private final Supplier<CommandSpec> all;

    /** @param all gives the specification of {@code tandem} with all its verbs */
    CompletionCommand(Supplier<CommandSpec> all) {
        this.all = all;
    }

    @Override
    public String summary() {
        return "print a script that completes commands and flags in bash or zsh";
    }

    private Grammar grammar() {
        return new Grammar("completion", summary())
                .argument("SHELL", true, String.class, Value.word("bash", "zsh"), "bash or zsh")
                .footer("""
                        bash: source <(tandem completion bash)
                        zsh:  autoload -U +X compinit && compinit && source <(tandem completion zsh)
                        """);
    }

    @Override
    public CommandSpec spec() {
        return grammar().spec();
    }

    @Override
    public int run(List<String> arguments) {
        VerbArguments read = grammar().read(arguments);
        if (read.isHelpAsked()) {
            System.out.print(grammar().help());
            return Exit.WELL;
        }
        read.refuseProblems();
        System.out.println(AutoComplete.bash("tandem", new CommandLine(all.get())));
        return Exit.WELL;
    }
}
