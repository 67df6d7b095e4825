package dev.tandem.engine;

import dev.tandem.counter.Counters;
import dev.tandem.engine.Inbox.Decline;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.HandoffEvent.PushFailed;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.PromptDigest;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.schedule.Batch;
import dev.tandem.engine.schedule.Batch.ScheduledChunk;
import dev.tandem.engine.schedule.Scheduler;
import dev.tandem.transfer.TransferException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The engine loop's part in the prefill/decode exchange: lends finished prompts, starts fetches, and lets sequences go on as leases and
 * fetches end. A prompt whose KV was not read is computed here or fails; what a transfer may have written is never used. Owned by
 * the engine loop.
 */
final class HandoffDesk {
    /**
     * How this node behaves.
     *
     * @param leaseTimeoutNs how long P keeps lent blocks
     * @param transferTimeoutNs how long a push may take when all is computed
     */
    record Rules(FailurePolicy failurePolicy, long leaseTimeoutNs, long transferTimeoutNs) {}

    private static final Logger LOG = LoggerFactory.getLogger(HandoffDesk.class);

    private final HandoffSide handoff;
    private final Scheduler scheduler;
    private final Roster roster;
    private final Counters<EngineCounter> counters;
    private final Rules rules;

    HandoffDesk(
            HandoffSide handoff, Scheduler scheduler, Roster roster, Counters<EngineCounter> counters, Rules rules) {
        this.handoff = handoff;
        this.scheduler = scheduler;
        this.roster = roster;
        this.counters = counters;
        this.rules = rules;
    }

    /** P: the prompt is computed and its one token sampled; the blocks are lent and the client gets the ticket. */
    void lend(Sequence sequence, Token token, long nowNs) {
        HandoffTicket ticket;
        try {
            ticket = handoff.lend(sequence, token.id(), nowNs);
        } catch (EngineException refused) {
            roster.fail(sequence, refused);
            return;
        }
        scheduler.lend(sequence, token.id(), nowNs, nowNs + rules.leaseTimeoutNs());
        counters.increment(EngineCounter.LEASES_GRANTED);
        counters.increment(EngineCounter.REQUESTS_FINISHED_LENGTH);
        roster.send(sequence, token);
        roster.send(
                sequence,
                new Finished(FinishReason.LENGTH, OptionalInt.empty(), sequence.usage(nowNs), Optional.of(ticket)));
    }

    /** P: nobody will fetch the blocks of this request; without such a lease nothing happens. */
    void cancelLease(String requestId) {
        Sequence sequence = roster.find(requestId);
        if (sequence != null && sequence.state() == SequenceState.LENT) {
            handoff.cancelLease(requestId);
        }
    }

    /** P: the sequence has its blocks, and its first chunk is about to be computed. */
    void push(Sequence sequence, HandoffTicket target) {
        sequence.beginPush();
        handoff.push(sequence, target);
    }

    /** P: the prompt is computed and its one token sampled; the client hears the end when the decode node has all of it. */
    void awaitPush(Sequence sequence, Token token, long nowNs) {
        scheduler.awaitPush(sequence, token.id(), nowNs, nowNs + rules.transferTimeoutNs());
        roster.send(sequence, token);
    }

    /** How far the prompts that are being pushed are stored when a batch has passed a layer. */
    static List<PushProgress> progress(Batch batch) {
        var prompts = new ArrayList<PushProgress>(0);
        for (ScheduledChunk chunk : batch.chunks()) {
            Sequence sequence = chunk.sequence();
            if (sequence.isPushOpen()) {
                prompts.add(new PushProgress(sequence.id(), sequence.computedTokens() + chunk.rows()));
            }
        }
        return prompts;
    }

    /** D: the sequence has its blocks and awaits their content. */
    void fetch(Sequence sequence, long nowNs) {
        counters.add(
                EngineCounter.EXTERNAL_PREFIX_CACHE_QUERIES, sequence.promptTokens() - (long) sequence.cachedTokens());
        try {
            switch (sequence.request().handoff()) {
                case HandoffRole.Fetch fetch -> fetch(sequence, fetch.ticket(), nowNs);
                case HandoffRole.Receive receive -> handoff.receive(sequence, receive.metaserver(), nowNs);
                case HandoffRole.None none -> throw noTicket(sequence);
                case HandoffRole.Lend lend -> throw noTicket(sequence);
                case HandoffRole.Push push -> throw noTicket(sequence);
            }
        } catch (EngineException refused) { // nothing was begun, so nothing will write to the blocks
            sequence.kvLost(refused.toString());
            roster.fail(sequence, refused);
        }
    }

    /** KV of other tokens than those of the prompt here is never asked for. */
    private void fetch(Sequence sequence, HandoffTicket ticket, long nowNs) {
        String here = PromptDigest.of(sequence.request().promptTokenIds());
        String there = ticket.prompt().orElse(here);
        if (there.equals(here)) {
            handoff.fetch(sequence, ticket, nowNs);
            return;
        }
        handoff.decline(sequence.id(), ticket);
        endFetch(
                sequence,
                new FetchFailed(
                        sequence.id(),
                        new TransferException(
                                TransferException.Kind.REJECTED,
                                "the prefill node's prompt (" + there + ") is not the one that this node made (" + here
                                        + "): tokenizers or chat templates differ")));
    }

    /** D: everything that a prefill node could give is cached here. */
    void decline(Sequence sequence) {
        LOG.info("request={} needs no fetch: its prompt is cached here", sequence.id());
        if (sequence.request().handoff() instanceof HandoffRole.Fetch fetch) {
            handoff.decline(sequence.id(), fetch.ticket());
        }
    }

    /** The peer of a request that was refused is told. */
    void reject(Decline decline) {
        if (decline.role() instanceof HandoffRole.Fetch fetch) {
            handoff.decline(decline.requestId(), fetch.ticket());
        } else if (decline.role() instanceof HandoffRole.Push push) {
            handoff.refusePush(decline.requestId(), push.target(), decline.reason());
        }
    }

    /** The engine's own bound on a transfer has passed; its memory is at rest when its event comes. */
    void giveUpTransfer(Sequence sequence) {
        LOG.warn(
                "request={} state={} gives its transfer up: no end within its timeout",
                sequence.id(),
                sequence.state());
        sequence.awaitCancelledTransfer();
        if (sequence.isPushOpen()) {
            handoff.cancelPush(sequence.id(), "the decode node took too long");
        } else {
            handoff.cancelFetch(sequence.id());
        }
    }

    /** Lets sequences go on whose lease or fetch has ended; false when none has. */
    boolean poll(long nowNs) {
        List<HandoffEvent> events = handoff.poll(nowNs);
        for (HandoffEvent event : events) {
            Sequence sequence = roster.find(event.requestId());
            if (sequence == null) {
                throw new IllegalStateException("no request is known for " + event);
            }
            switch (event) {
                case LeaseEnded ended -> endLease(sequence, ended);
                case FetchDone done -> endFetch(sequence, done);
                case FetchFailed failed -> endFetch(sequence, failed);
                case PushDone done -> endPush(sequence, done, nowNs);
                case PushFailed failed -> endPush(sequence, failed);
            }
        }
        return !events.isEmpty();
    }

    private void endLease(Sequence sequence, LeaseEnded ended) {
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
        roster.dismiss(sequence);
    }

    private void endPush(Sequence sequence, PushDone done, long nowNs) {
        counters.increment(EngineCounter.PUSHES);
        counters.add(EngineCounter.PUSH_BYTES, done.bytes());
        sequence.endPush();
        if (!sequence.isAbandoned()) {
            counters.increment(EngineCounter.REQUESTS_FINISHED_LENGTH);
            roster.send(
                    sequence,
                    new Finished(FinishReason.LENGTH, OptionalInt.empty(), sequence.usage(nowNs), Optional.empty()));
        }
        roster.dismiss(sequence);
    }

    private void endPush(Sequence sequence, PushFailed failed) {
        counters.increment(EngineCounter.PUSH_FAILURES);
        sequence.endPush();
        if (sequence.isAbandoned()) {
            roster.dismiss(sequence);
            return;
        }
        String reason = failed.cause().kind() + ": " + failed.cause().getMessage();
        roster.fail(
                sequence,
                new EngineException(
                        Kind.KV_LOST,
                        "the prompt's KV could not be pushed to the decode node: " + reason,
                        failed.cause()));
    }

    private void endFetch(Sequence sequence, FetchDone done) {
        counters.increment(EngineCounter.HANDOFF_TRANSFERS);
        counters.add(EngineCounter.HANDOFF_BYTES, done.bytes());
        if (sequence.isAbandoned()) {
            roster.dismiss(sequence);
            return;
        }
        sequence.kvArrived(done.bytes(), done.nanos());
        counters.add(
                EngineCounter.EXTERNAL_PREFIX_CACHE_HITS, sequence.computedTokens() - (long) sequence.cachedTokens());
        scheduler.register(sequence);
    }

    private void endFetch(Sequence sequence, FetchFailed failed) {
        if (sequence.isAbandoned()) {
            roster.dismiss(sequence);
            return;
        }
        counters.increment(EngineCounter.HANDOFF_FAILURES);
        String reason = failed.cause().kind() + ": " + failed.cause().getMessage();
        LOG.warn(
                "request={} peer={} KV could not be had, policy={}: {}",
                sequence.id(),
                peer(sequence.request().handoff()),
                rules.failurePolicy(),
                reason);
        switch (rules.failurePolicy()) {
            case RECOMPUTE -> {
                counters.increment(EngineCounter.HANDOFF_RECOMPUTED);
                sequence.kvLost(reason);
            }
            case FAIL -> {
                sequence.kvLost(reason);
                roster.fail(
                        sequence,
                        new EngineException(
                                Kind.KV_LOST, "the prompt's KV could not be had: " + reason, failed.cause()));
            }
        }
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

    private static IllegalStateException noTicket(Sequence sequence) {
        return new IllegalStateException("request " + sequence.id() + " came without a ticket");
    }
}
