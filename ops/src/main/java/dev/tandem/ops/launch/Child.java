package dev.tandem.ops.launch;

import dev.tandem.api.OneLine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * One started process. Its standard input is a pipe of ours that nothing is written to: when it closes, because we stop or are killed,
 * the child ends itself. Belongs to its cluster.
 */
public final class Child {
    private static final int MAX_TAIL_BYTES = 16 << 10;

    private final ProcessPlan plan;
    private final Process process;
    private final Path log;
    private final Path readyFile;
    private final long startedNs;

    private Child(ProcessPlan plan, Process process, Path log, Path readyFile) {
        this.plan = plan;
        this.process = process;
        this.log = log;
        this.readyFile = readyFile;
        this.startedNs = System.nanoTime();
    }

    /**
     * Starts a process.
     *
     * @param folder for its log and ready file; those of an earlier process of this name are replaced
     * @param variables added to the environment, over the plan's
     */
    public static Child start(ProcessPlan plan, JavaRuntime runtime, Path folder, Map<String, String> variables)
            throws IOException {
        Path log = folder.resolve(plan.name() + ".log");
        Path readyFile = folder.resolve(plan.name() + ".ready");
        Files.deleteIfExists(readyFile);
        List<String> command = runtime.command(plan.arguments());
        command.addAll(List.of("--ready-file", readyFile.toString(), "--exit-on-stdin-close"));
        var builder = new ProcessBuilder(command);
        builder.environment().putAll(plan.variables());
        builder.environment().putAll(variables);
        builder.redirectErrorStream(true).redirectOutput(log.toFile());
        return new Child(plan, builder.start(), log, readyFile);
    }

    public ProcessPlan plan() {
        return plan;
    }

    public long pid() {
        return process.pid();
    }

    public boolean isAlive() {
        return process.isAlive();
    }

    public long ageNs() {
        return System.nanoTime() - startedNs;
    }

    /** What the process wrote when it was ready; empty until then. */
    public Optional<JsonNode> report() {
        if (!Files.exists(readyFile)) {
            return Optional.empty();
        }
        try {
            return Optional.of(JsonMapper.shared().readTree(Files.readString(readyFile)));
        } catch (IOException e) {
            return Optional.empty();
        } catch (JacksonException e) {
            throw new IllegalStateException(readyFile + " is written in one go and yet is not valid JSON", e);
        }
    }

    /** What the process is doing by its own account: the newest {@code stage="…"} of its log. */
    public String stage() {
        return logTail(50).stream()
                .filter(line -> line.contains("stage=\""))
                .reduce((first, second) -> second)
                .map(line -> OneLine.of(line.substring(line.indexOf("stage=\"") + 7, line.lastIndexOf('"'))))
                .orElse("starting Java");
    }

    /** The last lines of its log. */
    public List<String> logTail(int lines) {
        try (var file = Files.newByteChannel(log)) {
            long from = Math.max(0, file.size() - MAX_TAIL_BYTES);
            file.position(from);
            var bytes = java.nio.ByteBuffer.allocate(MAX_TAIL_BYTES);
            while (bytes.hasRemaining() && file.read(bytes) >= 0) {}
            List<String> all = new String(bytes.array(), 0, bytes.position(), java.nio.charset.StandardCharsets.UTF_8)
                    .lines()
                    .toList();
            return all.subList(Math.max(0, all.size() - lines), all.size());
        } catch (IOException e) {
            return List.of("the log " + log + " cannot be read: " + e.getMessage());
        }
    }

    /** Exit status; only after it has ended. */
    public int exitStatus() {
        return process.exitValue();
    }

    /**
     * Asks the process to end by closing its standard input. SIGTERM too might be its second signal, after a Ctrl-C that reached all processes
     * of the terminal, and would cut what it is ending.
     */
    public void askToStop() {
        try {
            process.getOutputStream().close();
        } catch (IOException e) {
            // The pipe of a process that has ended is closed already; SIGTERM is then without effect too.
            process.destroy();
        }
    }

    /** Waits for the end; kills the process when it does not come in time. */
    public void awaitStop(long timeoutNs) {
        try {
            if (!process.waitFor(Math.max(1, timeoutNs), TimeUnit.NANOSECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
