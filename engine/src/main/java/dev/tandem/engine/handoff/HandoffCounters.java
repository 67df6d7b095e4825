package dev.tandem.engine.handoff;

import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** The values of {@link HandoffCounter}. Thread-safe: each count is an adder of its own. */
final class HandoffCounters {
    private final Map<HandoffCounter, LongAdder> adders = new EnumMap<>(HandoffCounter.class);

    HandoffCounters() {
        for (HandoffCounter counter : HandoffCounter.values()) {
            adders.put(counter, new LongAdder());
        }
    }

    void increment(HandoffCounter counter) {
        adder(counter).increment();
    }

    long value(HandoffCounter counter) {
        return adder(counter).sum();
    }

    Map<HandoffCounter, Long> snapshot() {
        var values = new EnumMap<HandoffCounter, Long>(HandoffCounter.class);
        for (HandoffCounter counter : HandoffCounter.values()) {
            values.put(counter, value(counter));
        }
        return values;
    }

    private LongAdder adder(HandoffCounter counter) {
        LongAdder adder = adders.get(counter);
        if (adder == null) {
            throw new IllegalStateException("no adder for " + counter);
        }
        return adder;
    }
}
