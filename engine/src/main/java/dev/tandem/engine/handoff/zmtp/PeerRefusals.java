package dev.tandem.engine.handoff.zmtp;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import java.util.EnumMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts what this side does not put up with, and logs the first of a kind in each interval, so that no peer decides how much is logged.
 * Owned by the poller's thread.
 */
final class PeerRefusals {
    private static final Logger LOG = LoggerFactory.getLogger(PeerRefusals.class);

    /** Of one counter. */
    private static final class Silence {
        long endNs;
        long unlogged;
    }

    private final Counters<HandoffCounter> counters;
    private final long intervalNs;
    private final Map<HandoffCounter, Silence> silences = new EnumMap<>(HandoffCounter.class);

    PeerRefusals(Counters<HandoffCounter> counters, long intervalNs) {
        this.counters = counters;
        this.intervalNs = intervalNs;
    }

    /** A connection ends with that. */
    void ended(ZmtpConnection peer, ZmtpException cause, long nowNs) {
        HandoffCounter counter = switch (cause.kind()) {
            case MALFORMED -> HandoffCounter.PEERS_MALFORMED;
            case TOO_LARGE -> HandoffCounter.PEERS_TOO_LARGE;
            case STALLED -> HandoffCounter.PEERS_STALLED;
            case CROWDED -> HandoffCounter.PEERS_CROWDED_OUT;
            case UNPROVEN -> HandoffCounter.PEERS_UNPROVEN;
            case FAULT -> HandoffCounter.PEERS_FAILED;
        };
        if (isToBeLogged(counter, nowNs)) {
            String rest = unlogged(counter);
            switch (cause.kind()) {
                case FAULT -> LOG.error("side channel peer={} ends by a fault of ours{}", peer, rest, cause.getCause());
                default -> LOG.warn("side channel peer={} ends: {}{}", peer, cause.getMessage(), rest);
            }
        }
    }

    /** A listener takes nobody for a while. */
    void paused(int port, Throwable cause, long nowNs) {
        if (isToBeLogged(HandoffCounter.ACCEPTS_PAUSED, nowNs)) {
            LOG.warn(
                    "side channel port={} takes no connection for a while: {}{}",
                    port,
                    cause.toString(),
                    unlogged(HandoffCounter.ACCEPTS_PAUSED));
        }
    }

    private boolean isToBeLogged(HandoffCounter counter, long nowNs) {
        counters.increment(counter);
        Silence silence = silences.get(counter);
        if (silence == null) {
            silence = new Silence();
            silences.put(counter, silence);
        } else if (nowNs - silence.endNs < 0) {
            silence.unlogged++;
            return false;
        }
        silence.endNs = nowNs + intervalNs;
        return true;
    }

    private String unlogged(HandoffCounter counter) {
        Silence silence = silences.get(counter);
        if (silence == null || silence.unlogged == 0) {
            return "";
        }
        long count = silence.unlogged;
        silence.unlogged = 0;
        return " (" + count + " more of this kind since the last line)";
    }
}
