package dev.tandem.gateway.protocol;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** The counters of one gateway. Added to by all event loops. */
public final class GatewayCounters {
    private final Map<GatewayCounter, LongAdder> counters = new EnumMap<>(GatewayCounter.class);
    private final Map<LocalReason, LongAdder> local = new EnumMap<>(LocalReason.class);

    /** All at zero. */
    public GatewayCounters() {
        for (GatewayCounter counter : GatewayCounter.values()) {
            counters.put(counter, new LongAdder());
        }
        for (LocalReason reason : LocalReason.values()) {
            local.put(reason, new LongAdder());
        }
    }

    /** Counts one. */
    public void add(GatewayCounter counter) {
        adder(counters, counter).increment();
    }

    /** Counts a request that was not disaggregated. */
    public void add(LocalReason reason) {
        adder(local, reason).increment();
    }

    /** The count so far. */
    public long get(GatewayCounter counter) {
        return adder(counters, counter).sum();
    }

    /** The count so far. */
    public long get(LocalReason reason) {
        return adder(local, reason).sum();
    }

    private static <K> LongAdder adder(Map<K, LongAdder> map, K key) {
        LongAdder adder = map.get(key);
        if (adder == null) {
            throw new IllegalStateException("no counter for " + key);
        }
        return adder;
    }
}
