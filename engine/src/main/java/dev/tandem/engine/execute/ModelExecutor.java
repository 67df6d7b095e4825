package dev.tandem.engine.execute;

import dev.tandem.kernel.Matrix;
import dev.tandem.model.TokenBatch;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;

/**
 * Runs each batch on all ranks of one tensor-parallel group in lockstep: the same batch, the same block ids, every rank its own shard and
 * pool. The logits of rank 0 count; all ranks have the same. Called by the engine loop.
 */
public final class ModelExecutor implements AutoCloseable {
    /** A step that takes longer hangs; the engine then fails rather than let its clients wait for ever. */
    private static final Duration STEP_LIMIT = Duration.ofMinutes(10);

    private static final int WARM_UP_CHUNK = 64;
    private static final int WARM_UP_ROUNDS = 50;

    private final List<RankWorker> ranks;

    /** @param ranks of one group, by rank index; closed with the executor */
    public ModelExecutor(List<RankWorker> ranks) {
        this.ranks = List.copyOf(ranks);
    }

    /**
     * Runs one batch.
     *
     * @param isUnwanted asked in the middle of the step, on the ranks' threads: true when nobody waits for the result any more
     * @param listener hears of every layer on every rank
     * @return [batch.logitRows(), vocabulary], valid until the next call
     * @throws StepAbandonedException when {@code isUnwanted} said so
     * @throws MemoryGoneException when the pool's memory was not there, on a rank without a group
     */
    public Matrix execute(TokenBatch batch, BooleanSupplier isUnwanted, LayerListener listener)
            throws InterruptedException {
        IntPredicate isGivenUp = togetherBy(isUnwanted);
        var results = new ArrayList<Future<Matrix>>(ranks.size());
        for (int i = 0; i < ranks.size(); i++) {
            int tpRank = i;
            IntConsumer afterLayer = layer -> listener.stored(tpRank, layer);
            Runnable check = ranks.size() == 1 ? () -> giveUpIf(isUnwanted.getAsBoolean()) : new Check(isGivenUp);
            results.add(ranks.get(i).forward(batch, afterLayer, check));
        }
        awaitAll(results);
        return results.getFirst().resultNow();
    }

    /** When a step is given up, nothing touches its blocks any more as soon as the last rank has done so. */
    private void awaitAll(List<Future<Matrix>> results) throws InterruptedException {
        Optional<StepAbandonedException> givenUp = Optional.empty();
        for (Future<Matrix> result : results) {
            try {
                await(result);
            } catch (StepAbandonedException together) {
                givenUp = Optional.of(together);
            }
        }
        if (givenUp.isPresent()) {
            throw givenUp.get();
        }
    }

    /** Ranks that exchange activations give up together: who comes first to a turn decides it for all. */
    private static IntPredicate togetherBy(BooleanSupplier isUnwanted) {
        var answers = new ConcurrentHashMap<Integer, Boolean>();
        return turn -> answers.computeIfAbsent(turn, first -> isUnwanted.getAsBoolean());
    }

    /** What a rank of a group does between layers: all do it equally often in a step. Owned by the rank's thread. */
    private static final class Check implements Runnable {
        private final IntPredicate isGivenUp;
        private int turn;

        Check(IntPredicate isGivenUp) {
            this.isGivenUp = isGivenUp;
        }

        @Override
        public void run() {
            giveUpIf(isGivenUp.test(turn++));
        }
    }

    private static void giveUpIf(boolean isUnwanted) {
        if (isUnwanted) {
            throw new StepAbandonedException();
        }
    }

    /**
     * Makes the kernels of all ranks hot; returns when they are, or when the budget is spent.
     *
     * @param maxRows rows of the longest chunk that a step will have
     * @param maxSequences most sequences of a step
     * @param budget no step begins after this time, but for the first one of each shape
     * @return steps that ran on rank 0
     */
    public int warmUp(int maxRows, int maxSequences, Duration budget) throws InterruptedException {
        long endNs = System.nanoTime() + budget.toNanos();
        // Ranks run in lockstep, so the first one that asks whether a step may begin is answered for all.
        var answers = new ConcurrentHashMap<Integer, Boolean>();
        IntPredicate mayBegin = step -> answers.computeIfAbsent(step, first -> endNs - System.nanoTime() > 0);
        var shape = new RankWorker.WarmUpShape(Math.min(maxRows, WARM_UP_CHUNK), maxSequences);
        var results = new ArrayList<Future<Integer>>(ranks.size());
        for (RankWorker rank : ranks) {
            results.add(rank.warmUp(shape, WARM_UP_ROUNDS, mayBegin));
        }
        for (Future<Integer> result : results) {
            await(result);
        }
        return results.getFirst().resultNow();
    }

    private void await(Future<?> result) throws InterruptedException {
        try {
            result.get(STEP_LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException failed) {
            if (failed.getCause() instanceof StepAbandonedException abandoned) {
                throw abandoned;
            }
            boolean isAlone = ranks.size() == 1; // the others of a group wait for what this one has not computed
            if (isAlone && MemoryGoneException.isFault(failed.getCause())) {
                throw new MemoryGoneException(failed.getCause());
            }
            throw new IllegalStateException("the model failed in a step", failed.getCause());
        } catch (TimeoutException hanging) {
            throw new IllegalStateException("a step takes longer than " + STEP_LIMIT, hanging);
        }
    }

    @Override
    public void close() {
        long endNs = System.nanoTime() + RankWorker.CLOSE_LIMIT.toNanos(); // of all: they hang together
        ranks.forEach(rank -> rank.close(endNs));
    }
}
