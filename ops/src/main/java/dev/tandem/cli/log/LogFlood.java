package dev.tandem.cli.log;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How many lines of each kind are written: a kind is a logger with a message before its values are put in, that is one statement of our code.
 * {@value #BURST} at once, {@value #PER_SECOND} per second from then on; what was left out is counted and told. So it is never a stranger who
 * decides how much is logged. Guarded by itself: any thread logs.
 */
final class LogFlood {
    static final int BURST = 200;
    static final int PER_SECOND = 10;
    /** Kinds known; a program has fewer statements, so more than these are messages that were put together first: they share one place. */
    static final int MAX_KINDS = 2_048;

    private static final Kind ALL_OTHERS = new Kind("", "other messages");

    /** A statement that logs. */
    record Kind(String logger, String message) {}

    /** Lines of a kind that were left out since they were last told. */
    record LeftOut(Kind kind, long lines) {}

    private final Map<Kind, Bucket> buckets = new LinkedHashMap<>();

    /** Whether a line of this kind is written. */
    synchronized boolean admits(String logger, String message, long nowNs) {
        var kind = new Kind(logger, message == null ? "" : message);
        Bucket bucket = buckets.get(kind);
        if (bucket == null) {
            Kind known = buckets.size() < MAX_KINDS ? kind : ALL_OTHERS;
            bucket = buckets.computeIfAbsent(known, key -> new Bucket(nowNs));
        }
        return bucket.take(nowNs);
    }

    /** What was left out since this was last asked. */
    synchronized List<LeftOut> takeLeftOut() {
        var all = new ArrayList<LeftOut>();
        buckets.forEach((kind, bucket) -> {
            if (bucket.leftOut > 0) {
                all.add(new LeftOut(kind, bucket.leftOut));
                bucket.leftOut = 0;
            }
        });
        return all;
    }

    private static final class Bucket {
        private static final long NS_PER_LINE = 1_000_000_000L / PER_SECOND;

        private long lines = BURST;
        private long filledNs;
        private long leftOut;

        Bucket(long nowNs) {
            filledNs = nowNs;
        }

        boolean take(long nowNs) {
            long more = (nowNs - filledNs) / NS_PER_LINE;
            if (more > 0) {
                lines = Math.min(BURST, lines + more);
                filledNs += more * NS_PER_LINE;
            }
            if (lines == 0) {
                leftOut++;
                return false;
            }
            lines--;
            return true;
        }
    }
}
