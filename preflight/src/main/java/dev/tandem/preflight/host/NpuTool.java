package dev.tandem.preflight.host;

import dev.tandem.preflight.host.Tool.Ended;
import dev.tandem.preflight.host.Tool.Outcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs one of the programs that come with Ascend devices, {@code hccn_tool} or {@code npu-smi}; one that says that it is busy, because
 * another run has its lock, is tried again within the same limit. Stateless; any thread, which waits.
 */
public final class NpuTool {
    private static final String BUSY = "is busy, please try again";
    private static final long RETRY_PERIOD_MS = 200;

    private NpuTool() {}

    /**
     * Runs the program.
     *
     * @param program path or name
     * @param limit tries included
     */
    public static Outcome run(String program, List<String> arguments, Duration limit) throws InterruptedException {
        var command = new ArrayList<String>(List.of(program));
        command.addAll(arguments);
        long deadlineNs = System.nanoTime() + limit.toNanos();
        Outcome outcome = Tool.run(command, limit);
        while (outcome instanceof Ended ended && ended.output().contains(BUSY)) {
            long leftNs = deadlineNs - System.nanoTime() - RETRY_PERIOD_MS * 1_000_000;
            if (leftNs <= 0) {
                return outcome;
            }
            Thread.sleep(RETRY_PERIOD_MS);
            outcome = Tool.run(command, Duration.ofNanos(leftNs));
        }
        return outcome;
    }

    /** The command as it could be typed. */
    public static String typed(String program, List<String> arguments) {
        return program + " " + String.join(" ", arguments);
    }
}
