package dev.tandem.engine.cluster.expert;

import dev.tandem.layer.ExpertBank;
import dev.tandem.trust.ThreadEnd;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A thread that computes experts, whoever asks. It waits for tasks and for nothing else. */
final class ExpertWorker implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ExpertWorker.class);
    private static final Duration JOIN_LIMIT = Duration.ofSeconds(5);

    private final ExpertBank bank;
    private final AtomicInteger atWork; // threads of the process that compute experts now
    private final BlockingQueue<Optional<ExpertTask>> tasks; // empty: the end
    private final Thread thread;

    /**
     * Starts the thread, which alone uses the bank from now on.
     *
     * @param maxTasks that may wait
     */
    ExpertWorker(int index, ExpertBank bank, AtomicInteger atWork, int maxTasks) {
        this.bank = bank;
        this.atWork = atWork;
        this.tasks = new ArrayBlockingQueue<>(maxTasks);
        this.thread =
                Thread.ofPlatform().name("tandem-expert-" + index).daemon().start(this::work);
    }

    /** Queues a task; false when as many wait as may. */
    boolean offer(ExpertTask task) {
        return tasks.offer(Optional.of(task));
    }

    /** Whether the thread lives; it ends by {@link #close} only. */
    boolean isAlive() {
        return thread.isAlive();
    }

    /** Ends the thread after the task that runs; those that wait are still computed. */
    @Override
    public void close() {
        try {
            if (!tasks.offer(Optional.empty(), JOIN_LIMIT.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn("{} is not ended: its queue is full", thread.getName());
                return;
            }
            ThreadEnd.await(thread, JOIN_LIMIT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void work() {
        try {
            for (Optional<ExpertTask> task = tasks.take(); task.isPresent(); task = tasks.take()) {
                atWork.incrementAndGet();
                try {
                    task.get().run(bank);
                } finally {
                    atWork.decrementAndGet();
                }
            }
        } catch (InterruptedException nobodyDoesThis) {
            Thread.currentThread().interrupt();
        } finally {
            LOG.debug("{} has ended; tasks that are left are computed by those who wait for them", thread.getName());
        }
    }
}
