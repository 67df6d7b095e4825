package dev.tandem.systemtest.process;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code tandem up} under test and the events that it prints. When it goes, whichever way, what it has started goes too. */
public final class UpProcess implements AutoCloseable {
    /** Has the JVM options of children under test where {@code up} looks for those of users. */
    private static final Path HOME = home();

    private final Process process;
    private final BufferedReader lines;

    private UpProcess(Process process) {
        this.process = process;
        this.lines = process.inputReader();
    }

    /** Starts the processes of a topology, whose model has an absolute path, as children under test; returns at once. */
    public static UpProcess start(Path topology) {
        return start(command(topology, HOME));
    }

    /** The same as users run it: with the options that ship, and warmed up. */
    public static UpProcess startAsUsersDo(Path topology) {
        ProcessBuilder command = command(topology, TandemProcess.ROOT);
        command.environment().keySet().removeAll(List.of("TANDEM_WARM_UP", "OMP_NUM_THREADS"));
        return start(command);
    }

    private static UpProcess start(ProcessBuilder command) {
        try {
            return new UpProcess(
                    command.redirectError(ProcessBuilder.Redirect.INHERIT).start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static ProcessBuilder command(Path topology, Path home) {
        var command = new ArrayList<>(
                TandemProcess.command(List.of("up", topology.toString(), "--json", "--exit-on-stdin-close")));
        command.add(1, "-Dtandem.home=" + home);
        return new ProcessBuilder(command);
    }

    private static Path home() {
        try {
            Path home = Files.createDirectories(ChildRuntime.FOLDER.resolve("home"));
            Files.copy(
                    ChildRuntime.NODE.optionsFile(), home.resolve("jvm.options"), StandardCopyOption.REPLACE_EXISTING);
            return home;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The next events up to the first of this name, which is the last of the list. */
    public List<JsonNode> readUntil(String event) {
        try {
            var events = new ArrayList<JsonNode>();
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                events.add(JsonMapper.shared().readTree(line));
                if (events.getLast().path("event").asString("").equals(event)) {
                    return events;
                }
            }
            throw new AssertionError("no event " + event + " in " + events);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Process process() {
        return process;
    }

    /** kill -9. */
    @Override
    public void close() {
        process.destroyForcibly();
    }
}
