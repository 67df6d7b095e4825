package dev.tandem.transfer;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLongArray;

/** Values of {@link TransferCounter}; added to by the poller and by handshakes, read by anyone. */
final class Counters {
    private final AtomicLongArray values = new AtomicLongArray(TransferCounter.values().length);

    void add(TransferCounter counter, long amount) {
        values.addAndGet(counter.ordinal(), amount);
    }

    void increment(TransferCounter counter) {
        add(counter, 1);
    }

    List<TransferEngine.CounterReading> readings() {
        List<TransferEngine.CounterReading> readings = new ArrayList<>();
        for (TransferCounter counter : TransferCounter.values()) {
            readings.add(new TransferEngine.CounterReading(
                    counter.name().toLowerCase(Locale.ROOT), counter.sentence(), values.get(counter.ordinal())));
        }
        return readings;
    }
}
