package dev.tandem.engine.execute;

import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvPool;
import dev.tandem.model.Model;
import dev.tandem.model.TokenBatch;
import dev.tandem.model.WarmUp;
import dev.tandem.parallel.Collective;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One rank: a thread that owns a shard of the model and its KV pool, and runs one batch at a time. The queue between the engine loop and
 * the thread has one place, since the loop posts the next batch only after the last one's result.
 */
public final class RankWorker implements AutoCloseable {
    /** Something to be done on the rank's thread. */
    private record Job<T>(Supplier<T> work, CompletableFuture<T> result) {
        static <T> Job<T> of(Supplier<T> work) {
            return new Job<>(work, new CompletableFuture<>());
        }

        void run(Collective collective) {
            try {
                result.complete(work.get());
            } catch (StepAbandonedException givenUp) {
                result.completeExceptionally(givenUp);
            } catch (Throwable failure) { // the loop gets it and decides; a worker that died silently would hang it
                collective.fail(failure);
                result.completeExceptionally(failure);
            }
        }
    }

    /**
     * Batches to warm up with.
     *
     * @param chunkRows rows of a prompt
     * @param sequences most sequences that decode together
     */
    record WarmUpShape(int chunkRows, int sequences) {}

    private static final Job<?> LAST = Job.of(() -> "last");
    static final Duration CLOSE_LIMIT = Duration.ofSeconds(30);
    private static final Logger LOG = LoggerFactory.getLogger(RankWorker.class);

    private final Model model;
    private final KvPool pool;
    private final Collective collective;
    private final BlockingQueue<Job<?>> jobs = new ArrayBlockingQueue<>(1);
    private final Thread thread;

    /**
     * Starts the thread; takes ownership of model and pool.
     *
     * @param rankName in the thread's name
     * @param collective the rank's place in its group, which hears of a failure
     */
    public RankWorker(String rankName, Model model, KvPool pool, Collective collective) {
        this.model = model;
        this.pool = pool;
        this.collective = collective;
        this.thread =
                Thread.ofPlatform().name("tandem-rank-" + rankName).daemon().start(this::work);
    }

    /** Engine loop: begins a step; the logits are valid until the next one. */
    Future<Matrix> forward(TokenBatch batch, IntConsumer afterLayer, Runnable check) {
        return post(Job.of(() -> model.forward(batch, pool, afterLayer, check)));
    }

    /** Makes this rank's kernels hot, in memory of its own; gives the number of steps that it took. */
    Future<Integer> warmUp(WarmUpShape shape, int rounds, IntPredicate mayBegin) {
        return post(Job.of(
                () -> new WarmUp(model, pool.layout(), shape.chunkRows(), shape.sequences()).run(rounds, mayBegin)));
    }

    private <T> Future<T> post(Job<T> job) {
        if (!jobs.offer(job)) {
            throw new IllegalStateException(thread.getName() + " has not taken the job before this one");
        }
        return job.result;
    }

    private void work() {
        try {
            for (Job<?> job = jobs.take(); !job.equals(LAST); job = jobs.take()) {
                job.run(collective);
            }
        } catch (InterruptedException nobodyDoesThis) {
            Thread.currentThread().interrupt();
        } finally {
            model.close();
        }
    }

    /** Waits for the step that runs, then closes model and pool; memory that a hanging step may still touch is left alone. */
    @Override
    public void close() {
        close(System.nanoTime() + CLOSE_LIMIT.toNanos());
    }

    /** As {@link #close()}, until then at most. */
    void close(long endNs) {
        boolean isStopped = false;
        try {
            isStopped = jobs.offer(LAST, endNs - System.nanoTime(), TimeUnit.NANOSECONDS)
                    && thread.join(Duration.ofNanos(Math.max(0, endNs - System.nanoTime())));
        } catch (InterruptedException hurry) {
            Thread.currentThread().interrupt();
        }
        if (isStopped) {
            pool.close();
        } else {
            LOG.error("{} does not stop; its KV memory stays mapped", thread.getName());
        }
    }
}
