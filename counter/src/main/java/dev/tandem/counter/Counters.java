package dev.tandem.counter;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/**
 * The values of one counter enum, all 0 at first. Thread-safe: each constant has an adder of its own, so that no thread waits for
 * another; a value that is read while others add may miss what they are adding.
 *
 * @param <C> the enum, usually a {@link Counter}
 */
public final class Counters<C extends Enum<C>> {
    private final Class<C> kind;
    private final LongAdder[] adders; // [constants], by ordinal

    public Counters(Class<C> kind) {
        this.kind = kind;
        this.adders = new LongAdder[kind.getEnumConstants().length];
        for (int i = 0; i < adders.length; i++) {
            adders[i] = new LongAdder();
        }
    }

    /** The constants that are counted here, in their order. */
    public C[] all() {
        return kind.getEnumConstants();
    }

    public void increment(C counter) {
        adders[counter.ordinal()].increment();
    }

    public void add(C counter, long amount) {
        adders[counter.ordinal()].add(amount);
    }

    public long value(C counter) {
        return adders[counter.ordinal()].sum();
    }

    /** All values as they are now, also those at 0. */
    public Map<C, Long> snapshot() {
        var values = new EnumMap<C, Long>(kind);
        for (C counter : all()) {
            values.put(counter, value(counter));
        }
        return Collections.unmodifiableMap(values);
    }
}
