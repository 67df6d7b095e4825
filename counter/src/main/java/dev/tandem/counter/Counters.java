package dev.tandem.counter;

import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;

/**
 * The values of one counter enum, all 0 at first. Thread-safe: each constant has an adder of its own, so that no thread waits for
 * another; a value that is read while others add may miss what they are adding.
 *
 * @param <C> the enum, usually a {@link Counter}
 */
public final class Counters<C extends Enum<C>> {
    private final EnumMap<C, LongAdder> adders; // complete from the start, then only read

    public Counters(Class<C> kind) {
        this.adders = new EnumMap<>(kind);
        for (C counter : kind.getEnumConstants()) {
            adders.put(counter, new LongAdder());
        }
    }

    /** The constants that are counted here, in their order. */
    public Set<C> all() {
        return Collections.unmodifiableSet(adders.keySet());
    }

    public void increment(C counter) {
        adder(counter).increment();
    }

    public void add(C counter, long amount) {
        adder(counter).add(amount);
    }

    public long value(C counter) {
        return adder(counter).sum();
    }

    /** All values as they are now, also those at 0. */
    public Map<C, Long> snapshot() {
        var values = new LinkedHashMap<C, Long>();
        adders.forEach((counter, adder) -> values.put(counter, adder.sum()));
        return Collections.unmodifiableMap(values);
    }

    private LongAdder adder(C counter) {
        return Objects.requireNonNull(adders.get(counter));
    }
}
