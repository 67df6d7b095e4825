package dev.tandem.cli;

import dev.tandem.cli.log.ProcessLog;
import dev.tandem.node.Machine;
import dev.tandem.ops.check.CheckRun;
import dev.tandem.preflight.CheckReport;
import dev.tandem.preflight.CheckedNode;
import dev.tandem.preflight.CheckedNode.Section;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.script.ScriptCheck;
import java.io.Console;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;

/** {@code tandem check}: machines, the network between them and what is to run there, before anything starts. */
final class CheckCommand implements Verb {
    @Override
    public String summary() {
        return CheckOptions.SUMMARY;
    }

    @Override
    public CommandSpec spec() {
        return CheckOptions.grammar().spec();
    }

    @Override
    public int run(List<String> arguments) throws InterruptedException {
        CheckOptions options = CheckOptions.of(arguments);
        if (options.isHelpAsked()) {
            System.out.print(CheckOptions.grammar().help());
            return Exit.WELL;
        }
        ProcessLog.onlyWarnings();
        var report = new CheckReport(options.readsScripts() ? scripts(options.scripts()) : machines(options));
        List<String> lines = options.isJson() ? report.json(options.hasTables()) : report.lines(isTerminal());
        lines.forEach(System.out::println);
        return report.isWell() ? Exit.WELL : Exit.FAILED;
    }

    @SuppressWarnings("SystemConsoleNull") // null when the JDK is told to use its old console
    private static boolean isTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    private static List<CheckedNode> scripts(List<Path> files) {
        List<Finding> found = ScriptCheck.check(files);
        String names = String.join(" ", files.stream().map(Path::toString).toList());
        return List.of(new CheckedNode(
                "scripts",
                List.of(new Section(
                        "start scripts",
                        found.isEmpty()
                                ? List.of(Finding.of(Severity.WELL, names, "nothing is wrong with them"))
                                : found))));
    }

    private static List<CheckedNode> machines(CheckOptions options) throws InterruptedException {
        Path home =
                Path.of(System.getProperty("tandem.home", ".")).toAbsolutePath().normalize();
        return new CheckRun(options.request(), Machine.here(), System.getenv(), home, line -> {
                    if (!options.isJson()) {
                        Exit.say(line);
                    }
                })
                .run();
    }
}
