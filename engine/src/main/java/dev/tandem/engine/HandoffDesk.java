package dev.tandem.engine;

import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenEvent.Token;
import dev.tandem.engine.schedule.Scheduler;
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
     */
    record Rules(FailurePolicy failurePolicy, long leaseTimeoutNs) {}

    private static final Logger LOG = LoggerFactory.getLogger(HandoffDesk.class);

    private final HandoffSide handoff;
    private final Scheduler scheduler;
    private final Roster roster;
    private final EngineCounters counters;
    private final Rules rules;

    HandoffDesk(HandoffSide handoff, Scheduler scheduler, Roster roster, EngineCounters counters, Rules rules) {
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

    /** D: the sequence has its blocks and awaits their content. */
    void fetch(Sequence sequence, long nowNs) {
        counters.add(
                EngineCounter.EXTERNAL_PREFIX_CACHE_QUERIES, sequence.promptTokens() - (long) sequence.cachedTokens());
        try {
            handoff.fetch(sequence, ticket(sequence), nowNs);
        } catch (EngineException refused) { // nothing was begun, so nothing will write to the blocks
            sequence.kvLost(refused.toString());
            roster.fail(sequence, refused);
        }
    }

    /** D: everything that the ticket offers is cached here. */
    void decline(Sequence sequence) {
        LOG.info("request={} needs no fetch: its prompt is cached here", sequence.id());
        handoff.decline(sequence.id(), ticket(sequence));
    }

    /** D: the engine's own bound on a fetch has passed; its memory is at rest when its event comes. */
    void giveUpFetch(Sequence sequence) {
        LOG.warn("request={} gives its fetch up: no end within the fetch timeout", sequence.id());
        sequence.awaitCancelledFetch();
        handoff.cancelFetch(sequence.id());
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
        HandoffTicket ticket = ticket(sequence);
        String reason = failed.cause().kind() + ": " + failed.cause().getMessage();
        LOG.warn(
                "request={} peer={} at {}:{} KV could not be read, policy={}: {}",
                sequence.id(),
                ticket.engineId(),
                ticket.host(),
                ticket.port(),
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
                                Kind.KV_LOST, "the prompt's KV could not be read: " + reason, failed.cause()));
            }
        }
    }

    private static HandoffTicket ticket(Sequence sequence) {
        if (sequence.request().handoff() instanceof HandoffRole.Fetch fetch) {
            return fetch.ticket();
        }
        throw new IllegalStateException("request " + sequence.id() + " came without a ticket");
    }
}
