package dev.tandem.cli;

import dev.tandem.api.OneLine;
import dev.tandem.cli.log.ProcessLog;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/** The one place that ends the process, and knows what is to be done at its end. */
final class Exit {
    static final int WELL = 0;
    static final int FAILED = 1;
    static final int WRONG_ARGUMENTS = 2;

    /** Longest time that the ends may take before the process ends regardless, where nothing else is said. */
    static final Duration END_LIMIT = Duration.ofSeconds(15);
    /** Longest time that a line waits for whoever reads standard error. */
    private static final long SAY_LIMIT_MS = 500;

    /** Guarded by itself. */
    private static final Deque<Runnable> ENDS = new ArrayDeque<>();

    private Exit() {}

    /**
     * Has this done when the process ends, however it ends but by SIGKILL: what was named last first, then the log is written out. A second
     * signal meanwhile ends the process at once.
     */
    static void atEnd(Runnable end) {
        synchronized (ENDS) {
            if (ENDS.isEmpty()) {
                Runtime.getRuntime().addShutdownHook(new Thread(Exit::runEnds, "end"));
            }
            ENDS.push(end);
        }
    }

    private static void runEnds() {
        try {
            EndSignals.endAtOnceNextTime();
            while (true) {
                Runnable end;
                synchronized (ENDS) {
                    end = ENDS.poll();
                }
                if (end == null) {
                    break;
                }
                end.run();
            }
        } finally {
            flushLog();
        }
    }

    /** Says a line on standard error, which may be a pipe that nobody reads: then it waits for a bounded time only. */
    static void say(@Nullable String text) {
        Thread speaker = Thread.ofPlatform()
                .daemon()
                .name("say")
                .start(() -> System.err.println("tandem: " + OneLine.of(String.valueOf(text))));
        try {
            speaker.join(SAY_LIMIT_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Runs the ends, for a bounded time, and ends. */
    static void now(int status) {
        now(status, END_LIMIT);
    }

    /** The same with another bound. */
    static void now(int status, Duration endLimit) {
        Thread.ofPlatform().daemon().name("exit-limit").start(() -> {
            try {
                Thread.sleep(endLimit);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            Runtime.getRuntime().halt(status);
        });
        flushLog();
        System.exit(status);
    }

    private static void flushLog() {
        try {
            ProcessLog.flush();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
