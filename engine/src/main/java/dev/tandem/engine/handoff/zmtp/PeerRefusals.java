package dev.tandem.engine.handoff.zmtp;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.trust.LogPause;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts what this side does not put up with, and logs the first of a kind in each interval, so that no peer decides how much is logged.
 * Owned by the poller's thread.
 */
final class PeerRefusals {
    private static final Logger LOG = LoggerFactory.getLogger(PeerRefusals.class);

    private final Counters<HandoffCounter> counters;
    private final Map<HandoffCounter, LogPause> pauses = new EnumMap<>(HandoffCounter.class);
    private final Duration interval;

    PeerRefusals(Counters<HandoffCounter> counters, Duration interval) {
        this.counters = counters;
        this.interval = interval;
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
        due(counter, nowNs).ifPresent(more -> {
            switch (cause.kind()) {
                case FAULT -> LOG.error("side channel peer={} ends by a fault of ours{}", peer, more, cause.getCause());
                default -> LOG.warn("side channel peer={} ends: {}{}", peer, cause.getMessage(), more);
            }
        });
    }

    /** A listener takes nobody for a while. */
    void paused(int port, Throwable cause, long nowNs) {
        due(HandoffCounter.ACCEPTS_PAUSED, nowNs)
                .ifPresent(more -> LOG.warn(
                        "side channel port={} takes no connection for a while: {}{}", port, cause.toString(), more));
    }

    private Optional<String> due(HandoffCounter counter, long nowNs) {
        counters.increment(counter);
        return pauses.computeIfAbsent(counter, first -> new LogPause(interval)).due(nowNs);
    }
}
