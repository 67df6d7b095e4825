package dev.tandem.engine.cluster;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** The values of {@link ClusterCounter} of one process. Thread-safe: each count is an adder of its own. */
public final class ClusterCounters {
    private final Map<ClusterCounter, LongAdder> adders = new EnumMap<>(ClusterCounter.class);

    public ClusterCounters() {
        for (ClusterCounter counter : ClusterCounter.values()) {
            adders.put(counter, new LongAdder());
        }
    }

    public void increment(ClusterCounter counter) {
        add(counter, 1);
    }

    public void add(ClusterCounter counter, long amount) {
        adder(counter).add(amount);
    }

    public long value(ClusterCounter counter) {
        return adder(counter).sum();
    }

    /** All of them, also those at 0. */
    public Map<ClusterCounter, Long> snapshot() {
        var values = new EnumMap<ClusterCounter, Long>(ClusterCounter.class);
        for (ClusterCounter counter : ClusterCounter.values()) {
            values.put(counter, value(counter));
        }
        return values;
    }

    private LongAdder adder(ClusterCounter counter) {
        LongAdder adder = adders.get(counter);
        if (adder == null) {
            throw new IllegalStateException("no adder for " + counter);
        }
        return adder;
    }
}
