package dev.tandem.bench.soak;

import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What is done to one process.
 *
 * @param afterPause how long nothing happens before it
 * @param kind what
 * @param victim to which process
 * @param lasts until it is undone: the process is started or continued again; of no meaning for a reset
 */
public record Fault(Duration afterPause, Kind kind, String victim, Duration lasts) {
    /** The faults that there are. */
    public enum Kind {
        /** {@code kill -9}, and started again. */
        KILL(30, 0, 1_000),
        /** SIGTERM, and started again when it has ended. */
        END(8, 0, 1_000),
        /** SIGSTOP for less time than it takes others to notice. */
        PAUSE(20, 100, 3_000),
        /** SIGSTOP until others hold it for hung, and longer. */
        HANG(12, 11_000, 18_000),
        /** Every connection of the process's address is reset on both ends. */
        RESET(30, 0, 1);

        private final int share;
        private final int shortestMs;
        private final int longestMs;

        Kind(int share, int shortestMs, int longestMs) {
            this.share = share;
            this.shortestMs = shortestMs;
            this.longestMs = longestMs;
        }
    }

    /**
     * The next fault of a seeded sequence.
     *
     * @param victims names of processes
     * @param kinds that may be drawn, by their shares
     * @param meanPause between two faults
     */
    static Fault draw(SplittableRandom random, List<String> victims, List<Kind> kinds, Duration meanPause) {
        Duration pause = meanPause.dividedBy(2).plusMillis(random.nextLong(Math.max(1, meanPause.toMillis())));
        String victim = victims.get(random.nextInt(victims.size()));
        int left = random.nextInt(kinds.stream().mapToInt(kind -> kind.share).sum());
        int which = 0;
        while (left >= kinds.get(which).share) {
            left -= kinds.get(which).share;
            which++;
        }
        Kind kind = kinds.get(which);
        return new Fault(pause, kind, victim, Duration.ofMillis(random.nextInt(kind.shortestMs, kind.longestMs)));
    }

    @Override
    public String toString() {
        return kind + " " + victim + (kind == Kind.RESET ? "" : " for " + lasts.toMillis() + " ms");
    }
}
