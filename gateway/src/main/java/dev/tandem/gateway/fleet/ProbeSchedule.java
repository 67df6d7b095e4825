package dev.tandem.gateway.fleet;

import java.time.Duration;

/**
 * How often nodes are asked for their health.
 *
 * @param whileUp pause between questions to a node that is up
 * @param whileDown first pause between questions to one that is down
 * @param longestWhileDown longest one: a node that has been down for long, or was never there, is asked less often
 * @param answerWithin how long an answer may take
 * @param missesAllowed answers that a node that was up may miss in a row before it counts as down
 */
public record ProbeSchedule(
        Duration whileUp, Duration whileDown, Duration longestWhileDown, Duration answerWithin, int missesAllowed) {
    private static final int DOWN_SHARE = 8;

    /** Every 2 s while up; while down every 250 ms at first, every 4 s at last; answered within 2 s, two misses in a row allowed. */
    public static final ProbeSchedule DEFAULT = new ProbeSchedule(
            Duration.ofSeconds(2), Duration.ofMillis(250), Duration.ofSeconds(4), Duration.ofSeconds(2), 2);

    /** The pause before a node is asked again that has been down for so long: an eighth of that, within the bounds. */
    Duration whileDown(Duration downFor) {
        Duration share = downFor.dividedBy(DOWN_SHARE);
        if (share.compareTo(whileDown) < 0) {
            return whileDown;
        }
        return share.compareTo(longestWhileDown) > 0 ? longestWhileDown : share;
    }
}
