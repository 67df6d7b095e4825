package dev.tandem.preflight.script;

import dev.tandem.preflight.Finding;
import dev.tandem.preflight.Finding.Severity;
import dev.tandem.preflight.script.command.DeploymentReader;
import dev.tandem.preflight.script.command.Findings;
import dev.tandem.preflight.script.command.ScriptedDeployment;
import dev.tandem.preflight.script.rule.DeploymentRules;
import dev.tandem.preflight.script.shell.ShellCommand;
import dev.tandem.preflight.script.shell.ShellException;
import dev.tandem.preflight.script.shell.ShellScript;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Finds the mistakes of start scripts; nothing of them is run. One script is checked by itself; several are read as one deployment, with
 * its prefill and decode nodes, its proxy, the command of its rank table and its questions.
 */
public final class ScriptCheck {
    private static final int MOST_SCRIPTS = 256;

    private ScriptCheck() {}

    /**
     * Checks files.
     *
     * @return findings in the order of files and lines, those that concern several commands behind them; subjects are {@code file:line}
     */
    public static List<Finding> check(List<Path> files) {
        var findings = new Findings();
        var reader = new DeploymentReader(findings);
        for (Path file : files.subList(0, Math.min(MOST_SCRIPTS, files.size()))) {
            try {
                reader.read(ShellScript.read(file));
            } catch (IOException e) {
                findings.add(new Finding(
                        Severity.ERROR,
                        file.toString(),
                        "cannot be read: " + e.getMessage(),
                        "give the path of a script"));
            } catch (ShellException e) {
                findings.add(new Finding(
                        Severity.ERROR, file.toString(), String.valueOf(e.getMessage()), "give the path of a script"));
            }
        }
        if (files.size() > MOST_SCRIPTS) {
            findings.add(new Finding(
                    Severity.ERROR,
                    files.size() + " scripts",
                    "more than " + MOST_SCRIPTS + "; those behind are not read",
                    "give fewer"));
        }
        return across(reader.deployment(), findings);
    }

    /** Checks texts that have been read already. */
    public static List<Finding> checkScripts(List<ShellScript> scripts) {
        var findings = new Findings();
        var reader = new DeploymentReader(findings);
        scripts.forEach(reader::read);
        return across(reader.deployment(), findings);
    }

    /** Checks the commands of a deployment that stands in no script. */
    public static List<Finding> checkCommands(List<ShellCommand> commands) {
        var findings = new Findings();
        var reader = new DeploymentReader(findings);
        commands.forEach(reader::read);
        return across(reader.deployment(), findings);
    }

    private static List<Finding> across(ScriptedDeployment deployment, Findings findings) {
        DeploymentRules.check(deployment, findings);
        return findings.list();
    }
}
