package dev.tandem.engine;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineStatus.Blocks;
import dev.tandem.engine.EngineStatus.Load;
import dev.tandem.engine.Inbox.Decline;
import dev.tandem.engine.Inbox.Submission;
import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.execute.MemoryGoneException;
import dev.tandem.engine.execute.ModelExecutor;
import dev.tandem.engine.execute.StepAbandonedException;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.sample.Sampler;
import dev.tandem.engine.sample.StopChecker;
import dev.tandem.engine.schedule.Batch;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import dev.tandem.engine.schedule.Scheduler;
import dev.tandem.kernel.Matrix;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns scheduler, blocks and sequences. A round: take what others posted, let sequences go on whose transfers ended,
 * schedule; execute; sample, publish the state, deliver tokens. It waits for the rank workers and for nothing else; without work it
 * parks until something is posted or a deadline comes. If it dies, every request ends with the cause. A {@link SteppedEngine} calls the two
 * halves of each round itself.
 */
final class EngineLoop {
    private static final Logger LOG = LoggerFactory.getLogger(EngineLoop.class);

    /** What others see of the engine besides its counters. */
    private record Published(Optional<String> failure, Load load, Blocks blocks) {}

    private final BlockManager blocks;
    private final Inbox inbox;
    private final LongSupplier nanoClock;
    private final Scheduler scheduler;
    private final Sampler sampler;
    private final StopChecker stopChecker;
    private final Counters<EngineCounter> counters = new Counters<>(EngineCounter.class);
    private final StateCounts states = new StateCounts();
    private final SequenceTable sequences;
    private boolean isUnchecked; // something changed since the last integrity check
    private volatile boolean isClosing; // set by the closing thread
    private volatile Published published; // by the loop for everybody

    /**
     * @param blocks all free
     * @param connector of a node that takes part in exchanges
     * @param nanoClock {@link System#nanoTime} but in tests
     */
    EngineLoop(
            EngineConfig config,
            ModelConfig model,
            BlockManager blocks,
            Optional<KvConnector> connector,
            Inbox inbox,
            LongSupplier nanoClock) {
        this.blocks = blocks;
        this.inbox = inbox;
        this.nanoClock = nanoClock;
        long fetchTimeoutNs = config.handoff()
                .map(handoff -> handoff.fetchTimeout().toNanos())
                .orElse(0L);
        this.scheduler = new Scheduler(config.limits(), fetchTimeoutNs, blocks, states);
        this.sampler = new Sampler(model.vocabularySize(), model.tokens().endOfText());
        this.stopChecker = new StopChecker(model.tokens().endOfText(), config.maxModelLength());
        this.sequences = new SequenceTable(config, scheduler, connector, inbox, counters, states);
        this.published = new Published(Optional.empty(), load(), held());
    }

    /** The loop's thread: runs rounds until {@link #close}. */
    @SuppressWarnings("Interruption") // nobody interrupts the loop; if somebody does, it is a failure like any other
    void run(ModelExecutor executor) {
        try {
            while (!isClosing) {
                if (!step(executor)) {
                    idle();
                }
            }
            shutDown(new EngineException(Kind.UNAVAILABLE, "the engine is closing"), "closed");
        } catch (Throwable failure) { // whoever waits for this thread must hear of its end
            LOG.error("the engine loop died", failure);
            shutDown(new EngineException(Kind.INTERNAL, "the engine failed: " + failure, failure), failure.toString());
        }
    }

    /** Any thread: ends the loop after the step that runs. */
    void close() {
        isClosing = true;
        inbox.wake();
    }

    /** Any thread. */
    EngineStatus status() {
        Published seen = published;
        return new EngineStatus(seen.failure(), seen.load(), seen.blocks(), counters.snapshot());
    }

    /** Any thread: nothing will be served any more; what was submitted before has ended or is about to. */
    boolean isDead() {
        return published.failure().isPresent();
    }

    /**
     * What one round has to do.
     *
     * @param isNews there is something to compute, to fetch or to end
     */
    record Round(Batch batch, boolean isNews) {
        boolean hasRows() {
            return !batch.chunks().isEmpty();
        }
    }

    /** One round; false when there was nothing to compute, to fetch or to end. */
    private boolean step(ModelExecutor executor) throws InterruptedException {
        Round round = begin();
        end(round, round.hasRows() ? execute(round, executor) : null);
        return round.isNews();
    }

    /** The first half of a round: hears what has happened, decides what runs and begins its transfers. */
    Round begin() {
        long nowNs = nanoClock.getAsLong();
        boolean isNews = readInbox(nowNs);
        isNews |= sequences.poll(nowNs);
        isNews |= sequences.expire(nowNs);
        Batch batch = scheduler.schedule(nowNs);
        sequences.begin(batch, nowNs);
        if (!batch.chunks().isEmpty() && sequences.hasDeliveries()) {
            publish(Optional.empty());
            sequences.deliver(); // whose end is known does not wait for the step of others
        }
        isNews |= !batch.chunks().isEmpty() || !batch.fetches().isEmpty() || batch.preemptions() > 0;
        isUnchecked |= isNews;
        return new Round(batch, isNews);
    }

    /**
     * The second half: samples what was computed, and tells.
     *
     * @param logits of the round's rows; null when it had none, or was given up
     */
    void end(Round round, @Nullable Matrix logits) {
        if (logits != null) {
            accept(round.batch(), logits);
        }
        publish(Optional.empty());
        sequences.deliver();
    }

    /** When the next round is due at the latest; {@link Long#MAX_VALUE} when nothing waits. */
    long nextDeadlineNs() {
        return sequences.nextDeadlineNs();
    }

    /** Hears of the layers of a round that is about to be computed. */
    LayerListener layerListener(Round round) {
        return sequences.layerListener(round.batch());
    }

    /** Checks the blocks once after each stretch of work, then parks. */
    private void idle() {
        if (isUnchecked) {
            checkIntegrity();
        }
        long wakeNs = sequences.nextDeadlineNs();
        if (wakeNs == Long.MAX_VALUE) {
            LockSupport.park(this);
        } else {
            long leftNs = wakeNs - nanoClock.getAsLong();
            if (leftNs > 0) {
                LockSupport.parkNanos(this, leftNs);
            }
        }
    }

    /** Compares blocks with their owners; nobody is running. */
    void checkIntegrity() {
        isUnchecked = false;
        List<String> faults = scheduler.checkIntegrity();
        for (String fault : faults) {
            LOG.error("integrity: {}", fault);
        }
        counters.add(EngineCounter.INTEGRITY_FAILURES, faults.size());
        counters.increment(EngineCounter.INTEGRITY_CHECKS);
    }

    private boolean readInbox(long nowNs) {
        boolean isNews = false;
        for (Submission submission = inbox.nextSubmission(); submission != null; submission = inbox.nextSubmission()) {
            sequences.admit(submission);
            isNews = true;
        }
        for (TokenQueue stream = inbox.nextClosedStream(); stream != null; stream = inbox.nextClosedStream()) {
            sequences.leave(stream, nowNs);
            isNews = true;
        }
        for (Decline decline = inbox.nextDecline(); decline != null; decline = inbox.nextDecline()) {
            sequences.reject(decline);
        }
        for (String id = inbox.nextLeaseCancel(); id != null; id = inbox.nextLeaseCancel()) {
            sequences.cancelLease(id, nowNs);
            isNews = true;
        }
        counters.add(
                EngineCounter.REQUESTS_REJECTED, inbox.rejections() - counters.value(EngineCounter.REQUESTS_REJECTED));
        return isNews;
    }

    private @Nullable Matrix execute(Round round, ModelExecutor executor) throws InterruptedException {
        try {
            return executor.execute(round.batch().toTokenBatch(), isUnwanted(round), layerListener(round));
        } catch (StepAbandonedException nobodyWaits) {
            LOG.debug(
                    "a step of {} sequences was given up",
                    round.batch().chunks().size(),
                    nobodyWaits);
            return null;
        } catch (MemoryGoneException gone) {
            String message = String.valueOf(gone.getMessage());
            LOG.error(
                    "a step of {} sequences failed: {}", round.batch().chunks().size(), message);
            for (ScheduledChunk chunk : round.batch().chunks()) {
                sequences.fail(chunk.sequence(), new EngineException(Kind.UNAVAILABLE, message, gone));
            }
            return null;
        }
    }

    private void accept(Batch batch, Matrix logits) {
        long nowNs = nanoClock.getAsLong();
        int row = 0;
        for (ScheduledChunk chunk : batch.chunks()) {
            boolean isSampled = chunk.isSampled();
            chunk.sequence().advance(chunk.rows());
            scheduler.register(chunk.sequence());
            if (isSampled) {
                Token token = sample(logits, row++, chunk.sequence());
                if (token != null) {
                    accept(chunk.sequence(), token, nowNs);
                }
            }
        }
    }

    private @Nullable Token sample(Matrix logits, int row, Sequence sequence) {
        try {
            return sampler.sample(logits, row, sequence);
        } catch (ArithmeticException noNumbers) {
            sequences.fail(
                    sequence, new EngineException(Kind.INTERNAL, "no token can be chosen: " + noNumbers, noNumbers));
            return null;
        }
    }

    private void accept(Sequence sequence, Token token, long nowNs) {
        counters.increment(EngineCounter.GENERATION_TOKENS);
        if (sequence.isPrefillOnly()) {
            sequences.finishPrefill(sequence, token, nowNs);
            return;
        }
        sequence.append(token.id(), nowNs);
        sequences.send(sequence, token);
        stopChecker
                .check(sequence)
                .ifPresent(stop -> sequences.finish(sequence, stop.reason(), stop.stopTokenId(), nowNs));
    }

    /** Says whether nobody waits for a round any more; asked by the rank worker, between layers. */
    static BooleanSupplier isUnwanted(Round round) {
        var streams = new TokenQueue[round.batch().chunks().size()];
        for (int i = 0; i < streams.length; i++) {
            streams[i] = round.batch().chunks().get(i).sequence().stream();
        }
        return () -> areAllClosed(streams);
    }

    private static boolean areAllClosed(TokenQueue[] streams) {
        for (TokenQueue stream : streams) {
            if (!stream.isClosed()) {
                return false;
            }
        }
        return true;
    }

    private void shutDown(EngineException cause, String failure) {
        publish(Optional.of(failure)); // first: from now on nobody submits
        sequences.deliver();
        sequences.abandonAll(cause);
        LOG.info("engine loop ended: {}", failure);
    }

    private void publish(Optional<String> failure) {
        published = new Published(failure, load(), held());
    }

    private Load load() {
        return new Load(
                states.of(SequenceState.WAITING),
                states.of(SequenceState.PREFILLING) + states.of(SequenceState.DECODING),
                states.of(SequenceState.LENT) + states.of(SequenceState.PUSHING),
                states.of(SequenceState.AWAITING_KV));
    }

    private Blocks held() {
        return new Blocks(blocks.blockCount(), blocks.freeBlocks(), blocks.cachedBlocks(), scheduler.heldBlocks());
    }
}
