package dev.tandem.ops.check;

import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.launch.RankTableStep;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.TopologyException;
import dev.tandem.preflight.Finding;
import dev.tandem.preflight.script.ScriptCheck;
import dev.tandem.preflight.script.shell.Scene;
import dev.tandem.preflight.script.shell.ShellCommand;
import dev.tandem.preflight.script.shell.SourceLocation;
import dev.tandem.preflight.script.shell.Word;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Finds the mistakes of a topology: the commands that it stands for, as {@code tandem up --print} shows them, go through the rules of
 * start scripts.
 */
public final class TopologyCheck {
    private TopologyCheck() {}

    /**
     * Checks a topology file.
     *
     * @return findings; their subjects are the file and the name of a process, such as {@code cluster.yaml prefill-0}
     */
    public static List<Finding> check(Path file) {
        try {
            return check(file.toString(), LaunchPlan.of(Topology.read(file)));
        } catch (TopologyException e) {
            return List.of(Finding.refusal(file.toString(), String.valueOf(e.getMessage())));
        } catch (FlagException e) {
            return e.problems().stream()
                    .distinct()
                    .map(problem -> Finding.refusal(file.toString(), problem))
                    .toList();
        }
    }

    /**
     * Checks a plan.
     *
     * @param name for messages, in front of that of each process
     */
    public static List<Finding> check(String name, LaunchPlan plan) {
        var commands = new ArrayList<ShellCommand>();
        plan.rankTable().ifPresent(step -> commands.add(command(name, plan, step)));
        plan.processes().forEach(process -> commands.add(command(name, process)));
        return ScriptCheck.checkCommands(commands);
    }

    private static ShellCommand command(String name, ProcessPlan process) {
        return command(
                new SourceLocation(name + " " + process.name(), 0),
                process.arguments(),
                new Scene(process.variables()));
    }

    /** The command that makes the table which the nodes read; without a card's name it must be told which node it runs on. */
    private static ShellCommand command(String name, LaunchPlan plan, RankTableStep step) {
        String path = plan.processes().stream()
                .flatMap(process -> Stream.ofNullable(process.variables().get(RankTableStep.VARIABLE)))
                .findFirst()
                .orElse(RankTableStep.DEFAULT_PATH.toString());
        var arguments = new ArrayList<>(step.arguments(Path.of(path)));
        if (step.card().isEmpty()) {
            arguments.addAll(List.of("--local-ip", step.plan().nodes().getFirst()));
        }
        return command(new SourceLocation(name + " rank table", 0), arguments, new Scene(Map.of()));
    }

    private static ShellCommand command(SourceLocation location, List<String> arguments, Scene scene) {
        var all = new ArrayList<Word>(List.of(new Word("tandem", 0)));
        arguments.forEach(argument -> all.add(new Word(argument, 0)));
        return new ShellCommand(location, 0, all, scene);
    }
}
