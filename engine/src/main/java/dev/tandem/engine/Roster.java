package dev.tandem.engine;

import dev.tandem.counter.Counters;
import dev.tandem.engine.Inbox.Submission;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Sequence;
import dev.tandem.engine.request.Sequence.Admission;
import dev.tandem.engine.request.SequenceState;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.engine.request.TokenEvent.Failed;
import dev.tandem.engine.request.TokenEvent.FinishReason;
import dev.tandem.engine.request.TokenEvent.Finished;
import dev.tandem.engine.request.TokenQueue;
import dev.tandem.engine.sample.PositionRandom;
import dev.tandem.engine.schedule.Scheduler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * All living sequences, how they come and how they end. Events for clients are kept back until {@link #deliver}, which the loop calls
 * after it has published the state they belong to: who reads the end of a request also sees it in the counters. Owned by the engine
 * loop.
 */
final class Roster {
    private static final Logger LOG = LoggerFactory.getLogger(Roster.class);

    private record Delivery(TokenQueue stream, TokenEvent event) {}

    private final Scheduler scheduler;
    private final HandoffSide handoff;
    private final Inbox inbox;
    private final Counters<EngineCounter> counters;
    private final long baseSeed;
    private final Map<String, Sequence> byId = new LinkedHashMap<>();
    private final Map<TokenQueue, Sequence> byStream = new HashMap<>();
    private final List<Delivery> deliveries = new ArrayList<>();
    private long arrivals;

    /** @param baseSeed of the seeds drawn for requests without one */
    Roster(Scheduler scheduler, HandoffSide handoff, Inbox inbox, Counters<EngineCounter> counters, long baseSeed) {
        this.scheduler = scheduler;
        this.handoff = handoff;
        this.inbox = inbox;
        this.counters = counters;
        this.baseSeed = baseSeed;
    }

    Collection<Sequence> living() {
        return byId.values();
    }

    @Nullable
    Sequence find(String requestId) {
        return byId.get(requestId);
    }

    /** Takes a submission into the queue. */
    void admit(Submission submission) {
        var request = submission.request();
        long order = arrivals++;
        long seed = request.sampling().seed().orElse(PositionRandom.seed(baseSeed, order));
        long deadlineNs = later(submission.submittedNs(), request.deadline());
        var admission = new Admission(order, seed, submission.submittedNs(), deadlineNs);
        var sequence = new Sequence(request, admission, submission.stream());
        byId.put(sequence.id(), sequence);
        byStream.put(sequence.stream(), sequence);
        scheduler.add(sequence);
    }

    /** Sends an event with the next {@link #deliver}. */
    void send(Sequence sequence, TokenEvent event) {
        deliveries.add(new Delivery(sequence.stream(), event));
    }

    /** Hands all events over. */
    void deliver() {
        for (Delivery delivery : deliveries) {
            switch (delivery.event()) {
                case TokenEvent.Token token -> delivery.stream().add(token);
                case Finished end -> delivery.stream().end(end);
                case Failed end -> delivery.stream().end(end);
            }
        }
        deliveries.clear();
    }

    /** A sequence has all its tokens. */
    void complete(Sequence sequence, FinishReason reason, OptionalInt stopTokenId, long nowNs) {
        counters.increment(
                reason == FinishReason.STOP
                        ? EngineCounter.REQUESTS_FINISHED_STOP
                        : EngineCounter.REQUESTS_FINISHED_LENGTH);
        end(sequence, new Finished(reason, stopTokenId, sequence.usage(nowNs), Optional.empty()));
    }

    /** The reader of a stream wants no more. */
    void leave(TokenQueue stream, long nowNs) {
        Sequence sequence = byStream.get(stream);
        if (sequence == null) {
            return; // it ended meanwhile
        }
        if (sequence.state() == SequenceState.LENT) {
            LOG.info("request={} gives its lease up: nobody took the ticket", sequence.id());
            handoff.cancelLease(sequence.id());
            return;
        }
        FinishReason reason = stream.closeReason();
        counters.increment(
                reason == FinishReason.STOP ? EngineCounter.REQUESTS_FINISHED_STOP : EngineCounter.REQUESTS_ABORTED);
        LOG.debug("request={} state={} closed by its reader", sequence.id(), sequence.state());
        end(sequence, new Finished(reason, OptionalInt.empty(), sequence.usage(nowNs), Optional.empty()));
    }

    /** A sequence could not be served. */
    void fail(Sequence sequence, EngineException cause) {
        if (cause.kind() == Kind.TIMED_OUT) {
            counters.increment(EngineCounter.REQUESTS_ABORTED);
        }
        LOG.info("request={} state={} failed: {}", sequence.id(), sequence.state(), cause.getMessage());
        end(sequence, new Failed(cause));
    }

    /** Nobody waits for it and nothing touches its blocks: gives them back. */
    void dismiss(Sequence sequence) {
        scheduler.finish(sequence);
        forget(sequence);
    }

    /** Ends all streams at once, whatever their sequences hold: the engine is going down. */
    void abandonAll(EngineException cause) {
        for (Sequence sequence : byId.values()) {
            sequence.stream().end(new Failed(cause));
            inbox.free(sequence.id());
        }
        byId.clear();
        byStream.clear();
        for (Submission left = inbox.nextSubmission(); left != null; left = inbox.nextSubmission()) {
            left.stream().end(new Failed(cause));
            inbox.free(left.request().id());
        }
    }

    /** Ends the stream now and gives the blocks back, at once or when no transfer writes to them any more. */
    private void end(Sequence sequence, TokenEvent event) {
        send(sequence, event);
        if (sequence.state() == SequenceState.LENT || sequence.state() == SequenceState.FINISHED) {
            throw new IllegalStateException("request " + sequence.id() + " has ended: " + sequence.state());
        }
        if (!sequence.isPinned()) {
            decline(sequence, reason(event));
            dismiss(sequence);
            return;
        }
        byStream.remove(sequence.stream());
        scheduler.abandon(sequence);
        if (sequence.isPushOpen()) {
            handoff.cancelPush(sequence.id(), reason(event));
        } else {
            handoff.cancelFetch(sequence.id());
        }
    }

    private static String reason(TokenEvent event) {
        return event instanceof Failed failed
                ? String.valueOf(failed.cause().getMessage())
                : "the request was given up";
    }

    /** Tells the peer of a sequence that never came to its exchange. */
    private void decline(Sequence sequence, String reason) {
        switch (sequence.request().handoff()) {
            case HandoffRole.Fetch fetch when sequence.mayFetch() -> handoff.decline(sequence.id(), fetch.ticket());
            case HandoffRole.Push push
            when !sequence.hasStarted() -> handoff.refusePush(sequence.id(), push.target(), reason);
            case HandoffRole.None none -> {}
            case HandoffRole.Lend lend -> {}
            case HandoffRole.Fetch fetch -> {}
            case HandoffRole.Push push -> {}
            case HandoffRole.Receive receive -> {} // nobody was invited
        }
    }

    private void forget(Sequence sequence) {
        if (!sequence.hasStarted()) {
            inbox.leaveQueue();
        }
        byId.remove(sequence.id());
        byStream.remove(sequence.stream());
        inbox.free(sequence.id());
    }

    private static long later(long nowNs, Duration duration) {
        long durationNs = TimeUnit.NANOSECONDS.convert(duration); // saturates
        return nowNs > Long.MAX_VALUE - durationNs ? Long.MAX_VALUE : nowNs + durationNs;
    }
}
