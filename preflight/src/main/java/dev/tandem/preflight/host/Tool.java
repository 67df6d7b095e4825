package dev.tandem.preflight.host;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs other programs: no standard input, standard output and error together, at most {@value #MAX_OUTPUT_BYTES} bytes of it, and a time
 * limit after which the program and what it has started are killed. Stateless; any thread, which waits.
 */
public final class Tool {
    /** Most output that is kept; a program that writes more is killed. */
    public static final int MAX_OUTPUT_BYTES = 1 << 20;

    private Tool() {}

    /** How a run went. */
    public sealed interface Outcome {
        /** One sentence for people, with what the program said. */
        String sentence();

        /** Whether the program ended by itself with status 0. */
        default boolean isWell() {
            return this instanceof Ended ended && ended.status() == 0;
        }
    }

    /**
     * The program ended by itself.
     *
     * @param status its exit status
     * @param output what it wrote
     */
    public record Ended(int status, String output) implements Outcome {
        @Override
        public String sentence() {
            String said = output.isBlank() ? "it said nothing" : "it said: " + output.strip();
            return "ended with status " + status + "; " + said;
        }
    }

    /** The program did not end in time, or something that it started still holds its output; it was killed. */
    public record TimedOut(Duration limit) implements Outcome {
        @Override
        public String sentence() {
            return "did not end within " + limit.toMillis() + " ms and was killed";
        }
    }

    /** The program wrote too much and was killed. */
    public record TooLoud() implements Outcome {
        @Override
        public String sentence() {
            return "wrote more than " + MAX_OUTPUT_BYTES + " bytes and was killed";
        }
    }

    /** The program could not be started. */
    public record Absent(String reason) implements Outcome {
        @Override
        public String sentence() {
            return "cannot be started: " + reason;
        }
    }

    /**
     * Runs a program to its end or the limit's.
     *
     * @param command program and arguments; a name without a slash is looked for on the PATH
     * @throws InterruptedException the program is killed then
     */
    public static Outcome run(List<String> command, Duration limit) throws InterruptedException {
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getOutputStream().close();
        } catch (IOException e) {
            return new Absent(String.valueOf(e.getMessage()));
        }
        try {
            return await(process, limit);
        } finally {
            kill(process);
        }
    }

    private static Outcome await(Process process, Duration limit) throws InterruptedException {
        var reading = new FutureTask<>(() -> read(process.getInputStream()));
        Thread.ofPlatform().daemon().name("tool-output-" + process.pid()).start(reading);
        long deadlineNs = System.nanoTime() + limit.toNanos();
        try {
            byte[] output = reading.get(limit.toNanos(), TimeUnit.NANOSECONDS);
            if (output.length > MAX_OUTPUT_BYTES) {
                return new TooLoud();
            }
            if (!process.waitFor(Math.max(1, deadlineNs - System.nanoTime()), TimeUnit.NANOSECONDS)) {
                return new TimedOut(limit);
            }
            return new Ended(process.exitValue(), new String(output, StandardCharsets.UTF_8));
        } catch (TimeoutException e) {
            return new TimedOut(limit);
        } catch (ExecutionException e) {
            throw new UncheckedIOException("the output of process " + process.pid(), new IOException(e.getCause()));
        }
    }

    /** One byte more than the limit says that there was more. */
    private static byte[] read(InputStream output) throws IOException {
        return output.readNBytes(MAX_OUTPUT_BYTES + 1);
    }

    private static void kill(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
        try {
            process.getInputStream().close();
        } catch (IOException e) {
            // The pipe of a killed process: nobody waits for it any more, and the descriptor is gone either way.
            process.destroyForcibly();
        }
    }
}
