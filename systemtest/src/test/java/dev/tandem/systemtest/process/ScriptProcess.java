package dev.tandem.systemtest.process;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A shell script under test that starts one {@code tandem}: the word is found on the script's PATH, as a reader's would be. Ends together
 * with this JVM, whose pipe it watches.
 */
public final class ScriptProcess implements AutoCloseable {
    private static final Duration START_LIMIT = Duration.ofSeconds(180);
    private static final Path FOLDER = ChildRuntime.FOLDER;

    /** Written once: a program that is being written cannot be run. */
    private static final Path BIN = launcherFolder();

    private final String name;
    private final Process process;
    private final Path log;
    private final Path readyFile;

    private ScriptProcess(String name, Process process, Path log, Path readyFile) {
        this.name = name;
        this.process = process;
        this.log = log;
        this.readyFile = readyFile;
    }

    /** Starts a script with the shell; returns at once. */
    public static ScriptProcess start(String name, String script) {
        try {
            Path file = Files.writeString(FOLDER.resolve(name + ".sh"), script);
            Path log = FOLDER.resolve(name + ".log");
            Path readyFile = FOLDER.resolve(name + ".ready");
            Files.deleteIfExists(readyFile);
            var builder = new ProcessBuilder("sh", file.toString());
            builder.environment().put("PATH", BIN + ":" + builder.environment().get("PATH"));
            builder.environment().put("TANDEM_TEST_READY_FILE", readyFile.toString());
            builder.redirectErrorStream(true).redirectOutput(log.toFile());
            return new ScriptProcess(name, builder.start(), log, readyFile);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path launcherFolder() {
        try {
            Path bin = Files.createDirectories(FOLDER.resolve("bin"));
            Path tandem = Files.writeString(bin.resolve("tandem"), launcher());
            Files.setPosixFilePermissions(tandem, PosixFilePermissions.fromString("rwxr-xr-x"));
            return bin;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String launcher() {
        return "#!/bin/sh\ncase $1 in serve | proxy)\n"
                + "  set -- \"$@\" --ready-file \"$TANDEM_TEST_READY_FILE\" --exit-on-stdin-close;;\nesac\n"
                + "exec '" + ChildRuntime.RUNTIME.java() + "' '@" + ChildRuntime.RUNTIME.optionsFile() + "' -cp '"
                + ChildRuntime.RUNTIME.classPath()
                + "' dev.tandem.cli.Main \"$@\"\n";
    }

    /** Waits until it is ready; an early death fails with its log. */
    public ScriptProcess awaitReady() {
        Await.until(
                START_LIMIT,
                () -> {
                    if (!process.isAlive()) {
                        throw new AssertionError(name + " ended with " + process.exitValue() + ":\n" + log());
                    }
                    return Files.exists(readyFile);
                },
                () -> name + " is not ready:\n" + log());
        return this;
    }

    /** Waits until it has ended and returns its status. */
    public int awaitEnd(Duration limit) {
        Await.until(limit, () -> !process.isAlive(), () -> name + " has not ended:\n" + log());
        return process.exitValue();
    }

    public String name() {
        return name;
    }

    /** All that it wrote. */
    public String log() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** kill -9 of the program itself, not of the shell around it. */
    public void kill() {
        List<ProcessHandle> programs = process.descendants().toList();
        programs.forEach(ProcessHandle::destroyForcibly);
        awaitEnd();
    }

    private void awaitEnd() {
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS)) {
                throw new AssertionError(name + " does not end:\n" + log());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /** Peak resident memory of the program in bytes, as Linux counts it; 0 elsewhere. */
    public long peakMemoryBytes() {
        return process.descendants()
                .mapToLong(ScriptProcess::peakMemoryBytes)
                .max()
                .orElse(0);
    }

    private static long peakMemoryBytes(ProcessHandle program) {
        Path status = Path.of("/proc", Long.toString(program.pid()), "status");
        try {
            for (String line : Files.readAllLines(status)) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
                }
            }
            return 0;
        } catch (IOException noSuchFile) {
            return 0; // not Linux: the figure is a service to the reader, no test depends on it
        }
    }

    @Override
    public void close() {
        process.descendants().forEach(ProcessHandle::destroy);
        try {
            process.getOutputStream().close();
            if (!process.waitFor(15, TimeUnit.SECONDS)) {
                process.descendants().forEach(ProcessHandle::destroyForcibly);
                process.destroyForcibly();
            }
        } catch (IOException alreadyClosed) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
