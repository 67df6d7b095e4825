package dev.tandem.gateway.fleet;

import java.time.Duration;

/**
 * How often nodes are asked for their health.
 *
 * @param whileUp pause between questions to a node that is up
 * @param whileDown first pause between questions to one that is down
 * @param longestWhileDown longest one: a node that has been down for long, or was never there, is asked less often
 * @param answerWithin how long an answer may take
 * @param silence how long a node may answer nothing, again and again, before it counts as hung
 */
public record ProbeSchedule(
        Duration whileUp, Duration whileDown, Duration longestWhileDown, Duration answerWithin, Duration silence) {
    private static final int DOWN_SHARE = 8;

    /** Every 2 s while up; while down every 250 ms at first, every 4 s at last; answered within 2 s, hung after 10 s. */
    public static final ProbeSchedule DEFAULT = new ProbeSchedule(
            Duration.ofSeconds(2),
            Duration.ofMillis(250),
            Duration.ofSeconds(4),
            Duration.ofSeconds(2),
            Duration.ofSeconds(10));

    /** The same with another bound on silence. */
    public ProbeSchedule withSilence(Duration longest) {
        return new ProbeSchedule(whileUp, whileDown, longestWhileDown, answerWithin, longest);
    }

    /** How long an answer may take from a node that has been silent for so long: the bound is not passed by much. */
    Duration answerWithin(Duration silentFor) {
        Duration left = silence.minus(silentFor);
        if (left.compareTo(answerWithin) > 0) {
            return answerWithin;
        }
        return left.compareTo(whileDown) > 0 ? left : whileDown;
    }

    /** The pause before a node is asked again that has been down for so long: an eighth of that, within the bounds. */
    Duration whileDown(Duration downFor) {
        Duration share = downFor.dividedBy(DOWN_SHARE);
        if (share.compareTo(whileDown) < 0) {
            return whileDown;
        }
        return share.compareTo(longestWhileDown) > 0 ? longestWhileDown : share;
    }
}
