package dev.tandem.engine;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineStatus.Blocks;
import dev.tandem.engine.EngineStatus.Load;
import dev.tandem.engine.Inbox.Decline;
import dev.tandem.engine.Inbox.Submission;
import dev.tandem.engine.cache.BlockManager;
import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.execute.ModelExecutor;
import dev.tandem.engine.execute.StepAbandonedException;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.sample.Sampler;
import dev.tandem.engine.sample.StopChecker;
import dev.tandem.engine.schedule.Batch;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import dev.tandem.engine.schedule.Scheduler;
import dev.tandem.kernel.Matrix;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns scheduler, blocks and sequences. A step: take what others posted, let sequences go on whose transfers ended,
 * schedule, execute, sample, publish the state, deliver tokens. It waits for the rank workers and for nothing else; without work it
 * parks until something is posted or a deadline comes. If it dies, every request ends with the cause.
 */
final class EngineLoop implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(EngineLoop.class);

    /**
     * What the loop works with.
     *
     * @param nanoClock {@link System#nanoTime} but in tests
     */
    record Parts(ModelExecutor executor, HandoffSide handoff, Inbox inbox, LongSupplier nanoClock) {}

    private final Parts parts;
    private final BlockManager blocks;
    private final Scheduler scheduler;
    private final Sampler sampler;
    private final StopChecker stopChecker;
    private final Counters<EngineCounter> counters = new Counters<>(EngineCounter.class);
    private final Roster roster;
    private final HandoffDesk desk;
    private boolean isUnchecked; // something changed since the last integrity check
    private volatile boolean isClosing; // set by the closing thread
    private volatile EngineStatus status; // published by the loop for everybody

    /** @param blocks all free */
    EngineLoop(EngineConfig config, ModelConfig model, BlockManager blocks, Parts parts) {
        this.parts = parts;
        this.blocks = blocks;
        Optional<HandoffConfig> handoff = config.handoff();
        this.scheduler = new Scheduler(
                config.limits(), handoff.map(h -> h.fetchTimeout().toNanos()).orElse(0L), blocks);
        this.sampler = new Sampler(model.vocabularySize(), model.tokens().endOfText());
        this.stopChecker = new StopChecker(model.tokens().endOfText(), config.maxModelLength());
        this.roster = new Roster(scheduler, parts.handoff(), parts.inbox(), counters, config.seed());
        this.desk = new HandoffDesk(
                parts.handoff(),
                scheduler,
                roster,
                counters,
                new HandoffDesk.Rules(
                        handoff.map(h -> h.failurePolicy()).orElse(FailurePolicy.RECOMPUTE),
                        handoff.map(h -> h.leaseTimeout().toNanos()).orElse(0L),
                        handoff.map(h -> h.fetchTimeout().toNanos()).orElse(0L)));
        this.status = status(Optional.empty());
    }

    @Override
    @SuppressWarnings("Interruption") // nobody interrupts the loop; if somebody does, it is a failure like any other
    public void run() {
        try {
            while (!isClosing) {
                if (!step()) {
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
        parts.inbox().wake();
    }

    /** Any thread. */
    EngineStatus status() {
        return status;
    }

    /** Any thread: nothing will be served any more; what was submitted before has ended or is about to. */
    boolean isDead() {
        return status.failure().isPresent();
    }

    /** One round; false when there was nothing to compute, to fetch or to end. */
    boolean step() throws InterruptedException {
        long nowNs = parts.nanoClock().getAsLong();
        boolean isNews = readInbox(nowNs);
        isNews |= desk.poll(nowNs);
        isNews |= expireWaits(nowNs);
        Batch batch = scheduler.schedule(nowNs);
        begin(batch, nowNs);
        if (!batch.chunks().isEmpty()) {
            execute(batch);
        }
        isNews |= !batch.chunks().isEmpty() || !batch.fetches().isEmpty() || batch.preemptions() > 0;
        isUnchecked |= isNews;
        status = status(Optional.empty());
        roster.deliver();
        return isNews;
    }

    /** Checks the blocks once after each stretch of work, then parks. */
    private void idle() {
        if (isUnchecked) {
            checkIntegrity();
            status = status(Optional.empty());
        }
        long wakeNs = parts.handoff().nextDeadlineNs();
        for (Sequence sequence : roster.living()) {
            if (sequence.state() != SequenceState.LENT) { // the handoff's deadline covers leases
                wakeNs = Math.min(wakeNs, sequence.waitDeadlineNs());
            }
        }
        if (wakeNs == Long.MAX_VALUE) {
            LockSupport.park(this);
        } else {
            long leftNs = wakeNs - parts.nanoClock().getAsLong();
            if (leftNs > 0) {
                LockSupport.parkNanos(this, leftNs);
            }
        }
    }

    /** Compares blocks with their owners; nobody is running. */
    void checkIntegrity() {
        isUnchecked = false;
        List<String> disorder = scheduler.checkIntegrity();
        counters.increment(EngineCounter.INTEGRITY_CHECKS);
        counters.add(EngineCounter.INTEGRITY_FAILURES, disorder.size());
        for (String sentence : disorder) {
            LOG.error("integrity: {}", sentence);
        }
    }

    private boolean readInbox(long nowNs) {
        boolean isNews = false;
        Inbox inbox = parts.inbox();
        for (Submission submission = inbox.nextSubmission(); submission != null; submission = inbox.nextSubmission()) {
            roster.admit(submission);
            isNews = true;
        }
        for (TokenQueue stream = inbox.nextClosedStream(); stream != null; stream = inbox.nextClosedStream()) {
            roster.leave(stream, nowNs);
            isNews = true;
        }
        for (Decline decline = inbox.nextDecline(); decline != null; decline = inbox.nextDecline()) {
            desk.reject(decline);
        }
        for (String id = inbox.nextLeaseCancel(); id != null; id = inbox.nextLeaseCancel()) {
            desk.cancelLease(id);
        }
        counters.add(
                EngineCounter.REQUESTS_REJECTED, inbox.rejections() - counters.value(EngineCounter.REQUESTS_REJECTED));
        return isNews;
    }

    /** Ends waits whose time is over. */
    private boolean expireWaits(long nowNs) {
        var expired = new ArrayList<Sequence>(0);
        for (Sequence sequence : roster.living()) {
            if (sequence.state() != SequenceState.LENT && sequence.waitDeadlineNs() <= nowNs) {
                expired.add(sequence);
            }
        }
        for (Sequence sequence : expired) {
            if (sequence.admission().deadlineNs() <= nowNs) {
                roster.fail(
                        sequence,
                        new EngineException(
                                Kind.TIMED_OUT,
                                "the request's deadline of "
                                        + sequence.request().deadline().toMillis() + " ms passed while it was "
                                        + sequence.state()));
            } else {
                desk.giveUpTransfer(sequence);
            }
        }
        return !expired.isEmpty();
    }

    /** Counts what the scheduler decided and starts the fetches. */
    private void begin(Batch batch, long nowNs) {
        counters.add(EngineCounter.PREEMPTIONS, batch.preemptions());
        for (Sequence sequence : batch.started()) {
            parts.inbox().leaveQueue();
            counters.add(EngineCounter.PROMPT_TOKENS, sequence.promptTokens());
            counters.add(EngineCounter.PREFIX_CACHE_QUERIES, sequence.promptTokens());
            counters.add(EngineCounter.PREFIX_CACHE_HITS, sequence.cachedTokens());
            if (sequence.request().handoff() instanceof HandoffRole.Push push) {
                desk.push(sequence, push.target());
            }
        }
        for (Sequence sequence : batch.declines()) {
            desk.decline(sequence);
        }
        for (Sequence sequence : batch.fetches()) {
            desk.fetch(sequence, nowNs);
        }
    }

    private void execute(Batch batch) throws InterruptedException {
        var streams = new TokenQueue[batch.chunks().size()];
        for (int i = 0; i < streams.length; i++) {
            streams[i] = batch.chunks().get(i).sequence().stream();
        }
        List<PushProgress> pushed = HandoffDesk.progress(batch);
        LayerListener listener = pushed.isEmpty()
                ? LayerListener.NONE
                : (tpRank, layer) -> parts.handoff().stored(pushed, tpRank, layer);
        Matrix logits;
        try {
            logits = parts.executor().execute(batch.toTokenBatch(), () -> areAllClosed(streams), listener);
        } catch (StepAbandonedException nobodyWaits) {
            LOG.debug("a step of {} sequences was given up: {}", streams.length, nobodyWaits.getMessage());
            return;
        }
        long nowNs = parts.nanoClock().getAsLong();
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
            roster.fail(
                    sequence, new EngineException(Kind.INTERNAL, "no token can be chosen: " + noNumbers, noNumbers));
            return null;
        }
    }

    private void accept(Sequence sequence, Token token, long nowNs) {
        counters.increment(EngineCounter.GENERATION_TOKENS);
        if (sequence.isLender()) {
            desk.lend(sequence, token, nowNs);
            return;
        }
        if (sequence.isPusher()) {
            desk.awaitPush(sequence, token, nowNs);
            return;
        }
        sequence.append(token.id(), nowNs);
        roster.send(sequence, token);
        stopChecker
                .check(sequence)
                .ifPresent(stop -> roster.complete(sequence, stop.reason(), stop.stopTokenId(), nowNs));
    }

    /** Rank worker, between layers. */
    private static boolean areAllClosed(TokenQueue[] streams) {
        for (TokenQueue stream : streams) {
            if (!stream.isClosed()) {
                return false;
            }
        }
        return true;
    }

    private void shutDown(EngineException cause, String failure) {
        status = status(Optional.of(failure)); // first: from now on nobody submits
        roster.deliver();
        roster.abandonAll(cause);
        LOG.info("engine loop ended: {}", failure);
    }

    private EngineStatus status(Optional<String> failure) {
        int awaiting = scheduler.count(SequenceState.AWAITING_KV);
        int running = scheduler.count(SequenceState.PREFILLING) + scheduler.count(SequenceState.DECODING);
        var load = new Load(
                scheduler.count(SequenceState.WAITING),
                running,
                scheduler.count(SequenceState.LENT) + scheduler.count(SequenceState.PUSHING),
                awaiting);
        var held = new Blocks(blocks.blockCount(), blocks.freeBlocks(), blocks.cachedBlocks(), scheduler.lentBlocks());
        return new EngineStatus(failure, load, held, counters.snapshot());
    }
}
