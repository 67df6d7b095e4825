package dev.tandem.preflight.host;

import dev.tandem.preflight.host.Tool.Outcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Starts the same command on several nodes through the {@code ssh} program, all at once: no passwords are asked for, and each run has a
 * time limit. Stateless; the caller's thread waits.
 */
public final class RemoteRun {
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z0-9_./:=,@%+-]+");
    private static final Pattern USER = Pattern.compile("([A-Za-z0-9_.][A-Za-z0-9_.-]{0,63}@)?");

    /** What a remote run may take longer than the command that it starts, for connecting and for a report. */
    private static final Duration GRACE = Duration.ofSeconds(15);

    private RemoteRun() {}

    /**
     * A command for one node.
     *
     * @param node its address
     * @param arguments the argument list of the ssh program, the program itself first
     */
    public record NodeCommand(String node, List<String> arguments) {
        public NodeCommand {
            arguments = List.copyOf(arguments);
        }

        /** The command as a shell reads it back unchanged. */
        @Override
        public String toString() {
            return arguments.stream().map(RemoteRun::quoted).collect(Collectors.joining(" "));
        }
    }

    /**
     * How nodes are reached.
     *
     * @param program the ssh program, a path or a name on the PATH
     * @param user {@code user@} or nothing
     */
    public record Ssh(String program, String user) {
        /** Whether a text is {@code user@}, or nothing. */
        public static boolean isUser(String text) {
            return USER.matcher(text).matches();
        }

        /**
         * The command for one node.
         *
         * @param node its literal address
         * @param remoteWords what the node's shell is to run
         */
        public NodeCommand command(String node, List<String> remoteWords) {
            String line = remoteWords.stream().map(RemoteRun::quoted).collect(Collectors.joining(" "));
            return new NodeCommand(
                    node, List.of(program, "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", user + node, line));
        }
    }

    /** A word as a shell reads it back unchanged. */
    public static String quoted(String word) {
        return PLAIN.matcher(word).matches() ? word : "'" + word.replace("'", "'\\''") + "'";
    }

    /**
     * Runs all at once.
     *
     * @param limit of the commands themselves
     * @return how each went, by node
     */
    public static SequencedMap<String, Outcome> run(List<NodeCommand> commands, Duration limit)
            throws InterruptedException {
        var calls = new ArrayList<Callable<Outcome>>();
        commands.forEach(command -> calls.add(() -> Tool.run(command.arguments(), limit.plus(GRACE))));
        List<Outcome> results = ParallelCalls.run("remote-run", Math.max(1, calls.size()), calls);
        var outcomes = new LinkedHashMap<String, Outcome>();
        for (int index = 0; index < results.size(); index++) {
            outcomes.put(commands.get(index).node(), results.get(index));
        }
        return outcomes;
    }
}
