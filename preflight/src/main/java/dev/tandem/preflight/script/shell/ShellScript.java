package dev.tandem.preflight.script.shell;

import dev.tandem.preflight.Finding;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A start script as the shell would read it; nothing of it is run. Read are words, both sorts of quotes, a backslash at the end of a
 * line, comments, {@code NAME=value}, {@code export}, {@code unset}, {@code cd}, {@code $NAME}, {@code ${NAME:-text}}, redirections and
 * the signs between commands. Loops and conditions are recognised and passed over, here-documents likewise; what only a running shell
 * knows ({@code $(…)}, {@code $1}, variables set elsewhere) keeps its own spelling and is named in {@link Scene#unknown}.
 *
 * @param variables exported ones at the end of the script, by name
 * @param commands all that are neither assignments nor inside a block
 * @param blocks loops and conditions
 * @param remarks what is wrong with the script as a script: continued lines, quotes, variables
 */
public record ShellScript(
        Map<String, String> variables, List<ShellCommand> commands, List<Block> blocks, List<Finding> remarks) {
    private static final int MOST_BYTES = 1 << 20;

    public ShellScript {
        variables = Collections.unmodifiableMap(new LinkedHashMap<>(variables));
        commands = List.copyOf(commands);
        blocks = List.copyOf(blocks);
        remarks = List.copyOf(remarks);
    }

    /** Reads a text that has no name. */
    public static ShellScript of(String source) {
        return of("script", source);
    }

    /**
     * Reads a text.
     *
     * @param name for messages
     * @throws ShellException when it is larger than 1 MiB or its variables are
     */
    public static ShellScript of(String name, String source) {
        if (source.length() > MOST_BYTES) {
            throw new ShellException(
                    new SourceLocation(name, 0), "longer than " + MOST_BYTES + " characters: not a start script");
        }
        var state = new ShellState(name);
        new ShellReader(source, state).read();
        return state.script();
    }

    /**
     * Reads a file.
     *
     * @throws ShellException when it is larger than 1 MiB or its variables are
     */
    public static ShellScript read(Path file) throws IOException {
        try (InputStream stream = Files.newInputStream(file)) {
            byte[] bytes = stream.readNBytes(MOST_BYTES + 1);
            return of(file.toString(), new String(bytes, StandardCharsets.UTF_8));
        }
    }
}
