package dev.tandem.engine.cluster.expert;

import dev.tandem.layer.ExpertBank;
import dev.tandem.parallel.ExpertRows;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Consecutive rows of consecutive experts, to be computed by one thread: whichever claims it first.
 *
 * <p>It reads its rows of {@code rows.x()} and writes the same rows of {@code rows.results()}, which nobody else touches until it is done.
 */
final class ExpertTask {
    /** Who waits for tasks. */
    interface Owner {
        /** The task is done, or has failed for good; called once per task by the thread that ran it. Must not wait. */
        void done(ExpertTask task, Optional<Throwable> failure);
    }

    private final ExpertRows rows;
    private final RowRange range;
    private final Owner owner;
    private final AtomicBoolean isClaimed = new AtomicBoolean(); // a worker or the owner takes it

    ExpertTask(ExpertRows rows, RowRange range, Owner owner) {
        this.rows = rows;
        this.range = range;
        this.owner = owner;
    }

    RowRange range() {
        return range;
    }

    /** Computes it with the calling thread's bank, unless another thread has claimed it. */
    void run(ExpertBank bank) {
        if (!isClaimed.compareAndSet(false, true)) {
            return;
        }
        Optional<Throwable> failure = Optional.empty();
        try {
            for (int expert = range.fromExpert(); expert < range.toExpert(); expert++) {
                int first = Math.max(range.fromRow(), rows.firstRow(expert));
                int end = Math.min(range.toRow(), rows.firstRow(expert + 1));
                if (first < end) {
                    bank.compute(rows.layer(), expert, rows.x(), first, end - first, rows.results());
                }
            }
        } catch (RuntimeException | Error e) { // its owner waits for it and decides
            failure = Optional.of(e);
        }
        owner.done(this, failure);
    }
}
