package dev.tandem.engine;

import dev.tandem.counter.Counters;
import dev.tandem.engine.Inbox.Decline;
import dev.tandem.engine.Inbox.Submission;
import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.HandoffEvent.PushFailed;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.Sequence.Admission;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.StateCounts;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.sample.PositionRandom;
import dev.tandem.engine.schedule.Batch;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import dev.tandem.engine.schedule.Scheduler;
import dev.tandem.transfer.TransferException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All living sequences: how they come, what their prefill/decode exchange does to them, and how they end. Every end is one of {@link
 * #finish}, {@link #fail}, {@link #leave} and an event of the connector; all of them give blocks back through one method, and only when no
 * transfer touches them any more. Events for clients are kept back until {@link #deliver}, which the loop calls after it has published the
 * state that they belong to: who reads the end of a request also sees it in the status. Owned by the engine loop.
 */
final class SequenceTable {
    private static final Logger LOG = LoggerFactory.getLogger(SequenceTable.class);

    private record Delivery(TokenQueue stream, TokenEvent event) {}

    private final EngineConfig config;
    private final Scheduler scheduler;
    private final Optional<KvConnector> connector;
    private final Inbox inbox;
    private final Counters<EngineCounter> counters;
    private final StateCounts states;
    private final Map<String, Sequence> byId = new LinkedHashMap<>();
    private final Map<TokenQueue, Sequence> byStream = new HashMap<>();
    private final DeadlineQueue deadlines = new DeadlineQueue();
    private final List<Delivery> deliveries = new ArrayList<>();
    private long arrivals;

    /** @param connector of a node that takes part in exchanges; without it no request with another role is admitted */
    SequenceTable(
            EngineConfig config,
            Scheduler scheduler,
            Optional<KvConnector> connector,
            Inbox inbox,
            Counters<EngineCounter> counters,
            StateCounts states) {
        this.config = config;
        this.scheduler = scheduler;
        this.connector = connector;
        this.inbox = inbox;
        this.counters = counters;
        this.states = states;
    }

    // How sequences come.

    /** Takes a submission into the queue. */
    void admit(Submission submission) {
        var request = submission.request();
        long order = arrivals++;
        long seed = request.sampling().seed().orElse(PositionRandom.seed(config.seed(), order));
        long deadlineNs = later(submission.submittedNs(), request.deadline());
        var admission = new Admission(order, seed, submission.submittedNs(), deadlineNs);
        var sequence = new Sequence(request, admission, submission.stream(), states);
        byId.put(sequence.id(), sequence);
        byStream.put(sequence.stream(), sequence);
        deadlines.update(sequence);
        scheduler.add(sequence);
    }

    /** Counts what the scheduler decided, and begins the transfers of sequences that have got their blocks. */
    void begin(Batch batch, long nowNs) {
        counters.add(EngineCounter.PREEMPTIONS, batch.preemptions());
        for (Sequence sequence : batch.started()) {
            inbox.leaveQueue(sequence.request());
            counters.add(EngineCounter.PROMPT_TOKENS, sequence.promptTokens());
            counters.add(EngineCounter.PREFIX_CACHE_QUERIES, sequence.promptTokens());
            counters.add(EngineCounter.PREFIX_CACHE_HITS, sequence.cachedTokens());
            if (sequence.request().handoff() instanceof HandoffRole.Push) {
                sequence.beginPush();
                connectorOf(sequence).start(sequence.request().handoff(), prompt(sequence), nowNs);
            }
        }
        for (Sequence sequence : batch.declines()) {
            LOG.info("request={} needs no fetch: its prompt is cached here", sequence.id());
            connectorOf(sequence)
                    .decline(sequence.id(), sequence.request().handoff(), "the decode node has the prompt cached");
        }
        for (Sequence sequence : batch.fetches()) {
            fetch(sequence, nowNs);
        }
    }

    /** D: the sequence has its blocks and awaits their content. */
    private void fetch(Sequence sequence, long nowNs) {
        deadlines.update(sequence);
        counters.add(
                EngineCounter.EXTERNAL_PREFIX_CACHE_QUERIES, sequence.promptTokens() - (long) sequence.cachedTokens());
        try {
            connectorOf(sequence).start(sequence.request().handoff(), prompt(sequence), nowNs);
        } catch (EngineException refused) { // nothing was begun, so nothing will write to the blocks
            sequence.kvLost(refused.toString());
            fail(sequence, refused);
        }
    }

    /** What is to hear how far the prompts that are being pushed are stored when the batch has passed a layer. */
    LayerListener layerListener(Batch batch) {
        var pushed = new ArrayList<PushProgress>(0);
        for (ScheduledChunk chunk : batch.chunks()) {
            Sequence sequence = chunk.sequence();
            if (sequence.isPushOpen()) {
                pushed.add(new PushProgress(sequence.id(), sequence.computedTokens() + chunk.rows()));
            }
        }
        return connector.map(open -> open.layerListener(pushed)).orElse(LayerListener.NONE);
    }

    // What is sent to clients.

    /** Sends an event with the next {@link #deliver}. */
    void send(Sequence sequence, TokenEvent event) {
        deliveries.add(new Delivery(sequence.stream(), event));
    }

    /** Whether events wait for {@link #deliver}. */
    boolean hasDeliveries() {
        return !deliveries.isEmpty();
    }

    /** Hands all events over. */
    void deliver() {
        for (Delivery delivery : deliveries) {
            switch (delivery.event()) {
                case Token token -> delivery.stream().add(token);
                case Finished end -> delivery.stream().end(end);
                case Failed end -> delivery.stream().end(end);
            }
        }
        deliveries.clear();
    }

    // How sequences end.

    /** A sequence has all its tokens. */
    void finish(Sequence sequence, FinishReason reason, OptionalInt stopTokenId, long nowNs) {
        counters.increment(
                reason == FinishReason.STOP
                        ? EngineCounter.REQUESTS_FINISHED_STOP
                        : EngineCounter.REQUESTS_FINISHED_LENGTH);
        end(sequence, new Finished(reason, stopTokenId, sequence.usage(nowNs), Optional.empty()));
    }

    /**
     * P: the prompt is computed and its one token sampled. A pull lends the blocks, and the client gets the ticket; with a push the client
     * hears the end when the decode node has all of it.
     */
    void finishPrefill(Sequence sequence, Token token, long nowNs) {
        Optional<HandoffTicket> ticket;
        try {
            ticket = connectorOf(sequence).finish(prompt(sequence), token.id(), nowNs);
        } catch (EngineException refused) {
            fail(sequence, refused);
            return;
        }
        HandoffConfig handoff = config.handoff().orElseThrow();
        if (ticket.isPresent()) {
            scheduler.lend(
                    sequence, token.id(), nowNs, nowNs + handoff.leaseTimeout().toNanos());
            counters.increment(EngineCounter.LEASES_GRANTED);
            counters.increment(EngineCounter.REQUESTS_FINISHED_LENGTH);
            send(sequence, token);
            send(sequence, new Finished(FinishReason.LENGTH, OptionalInt.empty(), sequence.usage(nowNs), ticket));
        } else {
            scheduler.awaitPush(
                    sequence, token.id(), nowNs, nowNs + handoff.fetchTimeout().toNanos());
            send(sequence, token);
        }
        deadlines.update(sequence);
    }

    /** A sequence could not be served. */
    void fail(Sequence sequence, EngineException cause) {
        if (cause.kind() == Kind.TIMED_OUT) {
            counters.increment(EngineCounter.REQUESTS_ABORTED);
        }
        LOG.info("request={} state={} failed: {}", sequence.id(), sequence.state(), cause.getMessage());
        end(sequence, new Failed(cause));
    }

    /** The reader of a stream wants no more. */
    void leave(TokenQueue stream, long nowNs) {
        Sequence sequence = byStream.get(stream);
        if (sequence == null) {
            return; // it ended meanwhile
        }
        if (sequence.state() == SequenceState.LENT) {
            LOG.info("request={} gives up its lease: nobody took the ticket", sequence.id());
            connectorOf(sequence).cancel(sequence.id(), "nobody took the ticket");
            return;
        }
        LOG.debug("request={} state={} closed by its reader", sequence.id(), sequence.state());
        end(sequence, stream.closeReason(), nowNs);
    }

    private void end(Sequence sequence, FinishReason reason, long nowNs) {
        counters.increment(
                reason == FinishReason.STOP ? EngineCounter.REQUESTS_FINISHED_STOP : EngineCounter.REQUESTS_ABORTED);
        end(sequence, new Finished(reason, OptionalInt.empty(), sequence.usage(nowNs), Optional.empty()));
    }

    /** P: nobody will fetch the blocks that this request lends, or is about to lend; any other request goes on. */
    void cancelLease(String requestId, long nowNs) {
        Sequence sequence = byId.get(requestId);
        if (sequence == null) {
            return;
        }
        if (sequence.state() == SequenceState.LENT) {
            connectorOf(sequence).cancel(requestId, "the lease was cancelled");
        } else if (sequence.request().handoff() instanceof HandoffRole.Lend) {
            LOG.info("request={} state={} ends: its lease was cancelled before it began", requestId, sequence.state());
            end(sequence, FinishReason.ABORT, nowNs);
        }
    }

    /** The peer of a request that was refused is told. */
    void reject(Decline decline) {
        connector.ifPresent(open -> open.decline(decline.requestId(), decline.role(), decline.reason()));
    }

    /** Ends waits whose time is over; false when none is. */
    boolean expire(long nowNs) {
        boolean isNews = false;
        while (deadlines.hasExpired(nowNs)) {
            Sequence sequence = deadlines.first();
            if (sequence.admission().deadlineNs() <= nowNs) {
                fail(
                        sequence,
                        new EngineException(
                                Kind.TIMED_OUT,
                                "the request's deadline of "
                                        + sequence.request().deadline().toMillis() + " ms passed while it was "
                                        + sequence.state()));
            } else {
                giveUpTransfer(sequence);
            }
            isNews = true;
        }
        return isNews;
    }

    /** The engine's own bound on a transfer has passed; nothing touches its memory any more when its event comes. */
    private void giveUpTransfer(Sequence sequence) {
        LOG.warn(
                "request={} state={} gives up its transfer: no end within its timeout",
                sequence.id(),
                sequence.state());
        sequence.awaitCancelledTransfer();
        deadlines.update(sequence);
        connectorOf(sequence)
                .cancel(
                        sequence.id(),
                        sequence.isPushOpen() ? "the decode node took too long" : "no end within its timeout");
    }

    /** When {@link #expire} or {@link #poll} is to be called at the latest; {@link Long#MAX_VALUE} when nothing waits. */
    long nextDeadlineNs() {
        return Math.min(
                deadlines.nextDeadlineNs(),
                connector.map(KvConnector::nextDeadlineNs).orElse(Long.MAX_VALUE));
    }

    /** Ends all streams at once, whatever their sequences hold: the engine is going down. */
    void abandonAll(EngineException cause) {
        for (Sequence sequence : byId.values()) {
            sequence.stream().end(new Failed(cause));
            inbox.free(sequence.id());
        }
        byId.clear();
        byStream.clear();
        deadlines.clear();
        for (Submission left = inbox.nextSubmission(); left != null; left = inbox.nextSubmission()) {
            left.stream().end(new Failed(cause));
            inbox.free(left.request().id());
        }
    }

    /** Ends the stream now and gives the blocks back, at once or when no transfer touches them any more. */
    private void end(Sequence sequence, TokenEvent event) {
        send(sequence, event);
        if (sequence.state() == SequenceState.LENT || sequence.state() == SequenceState.FINISHED) {
            throw new IllegalStateException("request " + sequence.id() + " has ended: " + sequence.state());
        }
        String reason = event instanceof Failed failed
                ? String.valueOf(failed.cause().getMessage())
                : "the request was given up";
        if (sequence.isPinned()) {
            byStream.remove(sequence.stream());
            scheduler.abandon(sequence);
            deadlines.update(sequence);
            connectorOf(sequence).cancel(sequence.id(), reason);
            return;
        }
        if (isPeerWaiting(sequence)) {
            connectorOf(sequence).decline(sequence.id(), sequence.request().handoff(), reason);
        }
        release(sequence);
    }

    /** A peer has lent blocks or awaits a push, and this sequence never came to its exchange. */
    private static boolean isPeerWaiting(Sequence sequence) {
        return switch (sequence.request().handoff()) {
            case HandoffRole.Fetch fetch -> sequence.mayFetch();
            case HandoffRole.Push push -> !sequence.hasStarted();
            case HandoffRole.None none -> false;
            case HandoffRole.Lend lend -> false;
            case HandoffRole.Receive receive -> false; // nobody was invited
        };
    }

    /** Nobody waits for it and nothing touches its blocks: gives them back and forgets it. */
    private void release(Sequence sequence) {
        scheduler.finish(sequence);
        if (!sequence.hasStarted()) {
            inbox.leaveQueue(sequence.request());
        }
        byId.remove(sequence.id());
        byStream.remove(sequence.stream());
        deadlines.remove(sequence);
        inbox.free(sequence.id());
    }

    // What the connector tells.

    /** Lets sequences go on or end whose lease or transfer has ended; false when none has. */
    boolean poll(long nowNs) {
        if (connector.isEmpty()) {
            return false;
        }
        List<HandoffEvent> events = connector.get().poll(nowNs);
        for (HandoffEvent event : events) {
            Sequence sequence = byId.get(event.requestId());
            if (sequence == null) {
                throw new IllegalStateException("no request is known for " + event);
            }
            switch (event) {
                case LeaseEnded ended -> leaseEnded(sequence, ended);
                case FetchDone done -> kvArrived(sequence, done);
                case FetchFailed failed -> kvLost(sequence, failed);
                case PushDone done -> pushed(sequence, done, nowNs);
                case PushFailed failed -> pushFailed(sequence, failed);
            }
        }
        return !events.isEmpty();
    }

    private void leaseEnded(Sequence sequence, LeaseEnded ended) {
        if (sequence.state() != SequenceState.LENT
                || !Arrays.equals(ended.blockIds(), sequence.blocks().blockIds())) {
            throw new IllegalStateException("a lease on blocks " + Arrays.toString(ended.blockIds())
                    + " ended, but request " + sequence.id() + " is " + sequence.state() + " with blocks "
                    + Arrays.toString(sequence.blocks().blockIds()));
        }
        counters.increment(
                switch (ended.reason()) {
                    case RELEASED -> EngineCounter.LEASES_RELEASED;
                    case EXPIRED -> EngineCounter.LEASES_EXPIRED;
                    case CANCELLED -> EngineCounter.LEASES_CANCELLED;
                });
        LOG.debug("request={} lease ended: {}", sequence.id(), ended.reason());
        release(sequence);
    }

    private void kvArrived(Sequence sequence, FetchDone done) {
        counters.increment(EngineCounter.HANDOFF_TRANSFERS);
        counters.add(EngineCounter.HANDOFF_BYTES, done.bytes());
        if (sequence.isAbandoned()) {
            release(sequence);
            return;
        }
        sequence.kvArrived(done.bytes(), done.nanos());
        counters.add(
                EngineCounter.EXTERNAL_PREFIX_CACHE_HITS, sequence.computedTokens() - (long) sequence.cachedTokens());
        scheduler.register(sequence);
    }

    /** D: what a transfer may have written is never used; the prompt is computed here, or its request fails. */
    private void kvLost(Sequence sequence, FetchFailed failed) {
        if (sequence.isAbandoned()) {
            release(sequence);
            return;
        }
        counters.increment(EngineCounter.HANDOFF_FAILURES);
        FailurePolicy policy = config.handoff().orElseThrow().failurePolicy();
        String reason = reason(failed.cause());
        LOG.warn(
                "request={} peer={} KV could not be fetched, policy={}: {}",
                sequence.id(),
                peer(sequence.request().handoff()),
                policy,
                reason);
        sequence.kvLost(reason);
        switch (policy) {
            case RECOMPUTE -> counters.increment(EngineCounter.HANDOFF_RECOMPUTED);
            case FAIL ->
                fail(
                        sequence,
                        new EngineException(
                                Kind.KV_LOST, "the prompt's KV could not be fetched: " + reason, failed.cause()));
        }
    }

    private void pushed(Sequence sequence, PushDone done, long nowNs) {
        counters.increment(EngineCounter.PUSHES);
        counters.add(EngineCounter.PUSH_BYTES, done.bytes());
        sequence.endPush();
        if (!sequence.isAbandoned()) {
            counters.increment(EngineCounter.REQUESTS_FINISHED_LENGTH);
            send(
                    sequence,
                    new Finished(FinishReason.LENGTH, OptionalInt.empty(), sequence.usage(nowNs), Optional.empty()));
        }
        release(sequence);
    }

    private void pushFailed(Sequence sequence, PushFailed failed) {
        counters.increment(EngineCounter.PUSH_FAILURES);
        sequence.endPush();
        if (sequence.isAbandoned()) {
            release(sequence);
            return;
        }
        fail(
                sequence,
                new EngineException(
                        Kind.KV_LOST,
                        "the prompt's KV could not be pushed to the decode node: " + reason(failed.cause()),
                        failed.cause()));
    }

    private static String reason(TransferException cause) {
        return cause.kind() + ": " + cause.getMessage();
    }

    private static String peer(HandoffRole role) {
        return switch (role) {
            case HandoffRole.Fetch fetch ->
                fetch.ticket().engineId() + " at " + fetch.ticket().host() + ":"
                        + fetch.ticket().port();
            case HandoffRole.Receive receive -> "behind " + receive.metaserver();
            case HandoffRole.None none -> "none";
            case HandoffRole.Lend lend -> "none";
            case HandoffRole.Push push -> "none";
        };
    }

    private KvConnector connectorOf(Sequence sequence) {
        return connector.orElseThrow(() -> new IllegalStateException(
                "request " + sequence.id() + " was admitted to an exchange that is not configured"));
    }

    private static PromptBlocks prompt(Sequence sequence) {
        return new PromptBlocks(
                sequence.id(),
                sequence.request().promptTokenIds(),
                sequence.cachedTokens(),
                sequence.blocks().blockIds(),
                sequence.admission().deadlineNs());
    }

    private static long later(long nowNs, Duration duration) {
        long durationNs = TimeUnit.NANOSECONDS.convert(duration); // saturates
        return nowNs > Long.MAX_VALUE - durationNs ? Long.MAX_VALUE : nowNs + durationNs;
    }
}
