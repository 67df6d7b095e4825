package dev.tandem.engine;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/** The counters of one engine. Owned by the engine loop; others see copies. */
final class EngineCounters {
    private final EnumMap<EngineCounter, Long> values = new EnumMap<>(EngineCounter.class);

    EngineCounters() {
        for (EngineCounter counter : EngineCounter.values()) {
            values.put(counter, 0L);
        }
    }

    void add(EngineCounter counter, long amount) {
        if (amount != 0) {
            values.merge(counter, amount, Long::sum);
        }
    }

    void increment(EngineCounter counter) {
        add(counter, 1);
    }

    void set(EngineCounter counter, long value) {
        values.put(counter, value);
    }

    /** All of them, also those at 0. */
    Map<EngineCounter, Long> copy() {
        return Collections.unmodifiableMap(new EnumMap<>(values));
    }
}
