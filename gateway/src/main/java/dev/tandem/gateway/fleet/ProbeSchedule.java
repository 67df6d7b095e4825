package dev.tandem.gateway.fleet;

import java.time.Duration;

/**
 * How often nodes are asked for their health.
 *
 * @param whileUp pause between questions to a node that is up
 * @param whileDown pause between questions to one that is down: it bounds how late its return is seen
 * @param answerWithin how long an answer may take
 * @param missesAllowed answers that a node that was up may miss in a row before it counts as down
 */
public record ProbeSchedule(Duration whileUp, Duration whileDown, Duration answerWithin, int missesAllowed) {
    /** Every 2 s while up, every 250 ms while down, answered within 2 s, two misses in a row allowed. */
    public static final ProbeSchedule DEFAULT =
            new ProbeSchedule(Duration.ofSeconds(2), Duration.ofMillis(250), Duration.ofSeconds(2), 2);
}
