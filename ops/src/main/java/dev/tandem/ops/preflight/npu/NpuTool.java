package dev.tandem.ops.preflight.npu;

import dev.tandem.ops.host.Tool;
import dev.tandem.ops.host.Tool.Ended;
import dev.tandem.ops.host.Tool.Outcome;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Runs a vendor's program; one that says that it is busy, because another run has its lock, is tried again within the same limit. */
final class NpuTool {
    private static final String BUSY = "is busy, please try again";
    private static final long RETRY_PERIOD_MS = 200;

    private NpuTool() {}

    static Outcome run(String program, List<String> words, Duration limit) throws InterruptedException {
        var command = new ArrayList<String>(List.of(program));
        command.addAll(words);
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
    static String typed(String program, List<String> words) {
        return program + " " + String.join(" ", words);
    }
}
