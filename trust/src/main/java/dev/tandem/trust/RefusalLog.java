package dev.tandem.trust;

import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;

/**
 * Says that peers were refused, at most once per second: strangers do not decide how much is logged. Each line says how many there were.
 * Any thread; both atomics belong to whoever refuses.
 */
public final class RefusalLog {
    private static final long QUIET_NS = 1_000_000_000L;

    private final Logger log;
    private final AtomicLong refused = new AtomicLong();
    private final AtomicLong lastNs = new AtomicLong(System.nanoTime() - QUIET_NS);

    /** @param log of the wire's owner */
    public RefusalLog(Logger log) {
        this.log = log;
    }

    /** @param reason names the peer, the wire and what is missing */
    public void refused(String reason) {
        long count = refused.incrementAndGet();
        long nowNs = System.nanoTime();
        long beforeNs = lastNs.get();
        if (nowNs - beforeNs >= QUIET_NS && lastNs.compareAndSet(beforeNs, nowNs)) {
            log.warn("refused: {} (refused so far: {})", reason, count);
        }
    }
}
