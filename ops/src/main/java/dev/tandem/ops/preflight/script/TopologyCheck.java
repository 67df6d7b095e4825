package dev.tandem.ops.preflight.script;

import dev.tandem.node.flags.FlagException;
import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import dev.tandem.ops.preflight.Finding;
import dev.tandem.ops.preflight.shell.Place;
import dev.tandem.ops.preflight.shell.Scene;
import dev.tandem.ops.preflight.shell.ShellCommand;
import dev.tandem.ops.preflight.shell.Word;
import dev.tandem.ops.topology.Topology;
import dev.tandem.ops.topology.TopologyException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

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
        var findings = new Findings();
        try {
            return check(file.toString(), LaunchPlan.of(Topology.read(file)));
        } catch (TopologyException e) {
            findings.refusal(new Place(file.toString(), 0), String.valueOf(e.getMessage()));
        } catch (FlagException e) {
            e.problems().forEach(problem -> findings.refusal(new Place(file.toString(), 0), problem));
        }
        return findings.list();
    }

    /**
     * Checks a plan.
     *
     * @param name for messages, in front of that of each process
     */
    public static List<Finding> check(String name, LaunchPlan plan) {
        var findings = new Findings();
        var reader = new DeploymentReader(findings);
        plan.processes().forEach(process -> reader.read(command(name, process)));
        return ScriptCheck.across(reader.deployment(), findings);
    }

    private static ShellCommand command(String name, ProcessPlan process) {
        var words = new ArrayList<Word>(List.of(new Word("tandem", 0)));
        process.words().forEach(word -> words.add(new Word(word, 0)));
        return new ShellCommand(new Place(name + " " + process.name(), 0), 0, words, new Scene(process.variables()));
    }
}
