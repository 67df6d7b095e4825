package dev.tandem.transfer;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/** Values of {@link TransferCounter}; added to by the poller and by handshakes, read by anyone. */
final class Counters {
    private final Map<TransferCounter, LongAdder> values =
            new EnumMap<>(TransferCounter.class); // complete from the start

    Counters() {
        for (TransferCounter counter : TransferCounter.values()) {
            values.put(counter, new LongAdder());
        }
    }

    void add(TransferCounter counter, long amount) {
        Objects.requireNonNull(values.get(counter)).add(amount);
    }

    void increment(TransferCounter counter) {
        add(counter, 1);
    }

    long value(TransferCounter counter) {
        return Objects.requireNonNull(values.get(counter)).sum();
    }
}
