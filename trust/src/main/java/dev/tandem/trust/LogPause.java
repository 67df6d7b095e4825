package dev.tandem.trust;

import java.time.Duration;
import java.util.Optional;

/**
 * Lets one line be written in an interval and counts what would have been said meanwhile: strangers do not decide how much is logged. Guarded
 * by itself: any thread logs.
 */
public final class LogPause {
    private final long intervalNs;
    private boolean hasBegun;
    private long endNs;
    private long unlogged;

    public LogPause(Duration interval) {
        this.intervalNs = interval.toNanos();
    }

    /** What the line that is due ends with: nothing, or how many were left out since the last one. Empty where none is due. */
    public Optional<String> due() {
        return due(System.nanoTime());
    }

    /** The same at a given time. */
    public synchronized Optional<String> due(long nowNs) {
        if (hasBegun && nowNs - endNs < 0) {
            unlogged++;
            return Optional.empty();
        }
        String more = unlogged == 0 ? "" : " (" + unlogged + " more of this kind since the last line)";
        hasBegun = true;
        endNs = nowNs + intervalNs;
        unlogged = 0;
        return Optional.of(more);
    }
}
