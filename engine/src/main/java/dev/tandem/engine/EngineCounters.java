package dev.tandem.engine;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/** The counters of one engine. Owned by the engine loop; others see copies. */
final class EngineCounters {
    private static final EngineCounter[] ALL = EngineCounter.values();

    private final long[] values = new long[ALL.length];

    void add(EngineCounter counter, long amount) {
        values[counter.ordinal()] += amount;
    }

    void increment(EngineCounter counter) {
        add(counter, 1);
    }

    void set(EngineCounter counter, long value) {
        values[counter.ordinal()] = value;
    }

    /** All of them, also those at 0. */
    Map<EngineCounter, Long> copy() {
        var copy = new EnumMap<EngineCounter, Long>(EngineCounter.class);
        for (EngineCounter counter : ALL) {
            copy.put(counter, values[counter.ordinal()]);
        }
        return Collections.unmodifiableMap(copy);
    }
}
