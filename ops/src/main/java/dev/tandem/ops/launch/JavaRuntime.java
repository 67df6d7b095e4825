package dev.tandem.ops.launch;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * How this program is started again as a child.
 *
 * @param java the executable that runs now
 * @param optionsFile JVM flags, the same file that the launcher uses
 * @param classPath of this process
 */
public record JavaRuntime(Path java, Path optionsFile, String classPath) {
    /** The command line of a child. */
    public List<String> command(List<String> arguments) {
        var command = new ArrayList<String>(
                List.of(java.toString(), "@" + optionsFile, "-cp", classPath, "dev.tandem.cli.Main"));
        command.addAll(arguments);
        return command;
    }
}
