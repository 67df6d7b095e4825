package dev.tandem.engine.handoff.pull;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.plan.ReadPlan;
import dev.tandem.engine.handoff.runtime.EventQueue;
import dev.tandem.engine.handoff.runtime.InFlightTransfers;
import dev.tandem.engine.handoff.runtime.PeerNotices;
import dev.tandem.engine.handoff.sidechannel.PeerMetadataCache;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * D's half of the pull: asks the peer what it holds, plans, reads, and reports completion. A fetch ends in exactly one event, after the last byte
 * has been written that ever will be; and whatever its end, the prefill node is told, so that it frees its blocks at once.
 *
 * <p>The methods that {@link PullConnector} calls belong to the engine loop and only post; everything behind them runs on the side-channel
 * poller.
 */
final class PullFetcher {
    private static final Logger LOG = LoggerFactory.getLogger(PullFetcher.class);

    private final HandoffConfig config;
    private final List<KvPool> pools; // where KV goes, by tensor rank
    private final SideChannel channel;
    private final PeerMetadataCache peers;
    private final InFlightTransfers reads;
    private final HandoffLimits limits;
    private final SideChannelDialect dialect;
    private final PeerNotices notices;
    private final EventQueue<Fetch> events;
    private final LinkedHashMap<String, Fetch> due =
            new LinkedHashMap<>(); // engine loop: those not overdue yet, first due first

    PullFetcher(
            HandoffConfig config,
            List<KvPool> pools,
            SideChannel channel,
            PeerMetadataCache peers,
            InFlightTransfers reads,
            HandoffLimits limits,
            PeerNotices notices,
            Runnable wakeLoop) {
        this.config = config;
        this.pools = pools;
        this.channel = channel;
        this.peers = peers;
        this.reads = reads;
        this.limits = limits;
        this.notices = notices;
        this.dialect = SideChannelDialect.of(config);
        this.events = new EventQueue<>("fetched", channel, wakeLoop);
    }

    /** @throws EngineException INVALID when a request of this id is being fetched; then nothing was begun */
    void start(HandoffTicket ticket, PromptBlocks prompt, long nowNs) {
        var fetch = new Fetch(ticket, prompt, nowNs + config.fetchTimeout().toNanos(), channel::nowNs);
        boolean isTooMany = events.size() >= limits.fetches();
        Runnable first = () -> {
            if (isTooMany) {
                fail(fetch, new TransferException(Kind.OVERLOADED, limits.fetches() + " fetches are under way"));
            } else {
                begin(fetch);
            }
        };
        if (events.begin(prompt.requestId(), fetch, first, cause -> new FetchFailed(prompt.requestId(), cause))) {
            due.put(prompt.requestId(), fetch);
        }
    }

    void cancel(String requestId, String reason) {
        Fetch fetch = events.find(requestId);
        if (fetch != null) {
            var cause = new TransferException(Kind.CANCELLED, "the fetch was cancelled: " + reason);
            channel.execute(() -> giveUp(fetch, cause));
        }
    }

    void poll(long nowNs, List<HandoffEvent> found) {
        int before = found.size();
        events.drainTo(found);
        found.subList(before, found.size()).forEach(event -> due.remove(event.requestId()));
        while (!due.isEmpty() && due.firstEntry().getValue().deadlineNs - nowNs <= 0) {
            Fetch fetch = due.pollFirstEntry().getValue();
            var cause = new TransferException(
                    Kind.TIMED_OUT,
                    "the KV was not here within " + config.fetchTimeout().toMillis() + " ms");
            channel.execute(() -> giveUp(fetch, cause));
        }
    }

    /** Fetches whose event has not been polled. */
    int underWay() {
        return events.size();
    }

    /** The earliest deadline of a fetch that lies ahead, else Long.MAX_VALUE. */
    long nextDeadlineNs() {
        return due.isEmpty() ? Long.MAX_VALUE : due.firstEntry().getValue().deadlineNs;
    }

    /** Gives up all that is under way and returns when nothing writes into the pools any more; false when that takes too long. */
    boolean close(Duration patience) {
        events.all().forEach(fetch -> cancel(fetch.requestId(), "this node is closing"));
        return reads.await(patience, () -> {});
    }

    // Everything below runs on the side-channel poller.

    private void begin(Fetch fetch) {
        if (fetch.isOver) {
            return; // cancelled before it began
        }
        String here = fetch.prompt.digest();
        String there = fetch.ticket.prompt().orElse(here);
        if (!there.equals(here)) { // KV of other tokens than those of the prompt here is never asked for
            fail(
                    fetch,
                    new TransferException(
                            Kind.REJECTED,
                            "the prefill node's prompt (" + there + ") is not the one that this node made (" + here
                                    + "): tokenizers or chat templates differ"));
        } else if (fetch.prompt.cachedTokens() >= fetch.prompt.promptTokens()) {
            end(fetch, new FetchDone(fetch.requestId(), 0, fetch.elapsedNs()));
        } else {
            peers.resolve(dialect, fetch.ticket, new Reader(fetch));
        }
    }

    /** Reads when the peer's metadata is here. */
    private final class Reader implements PeerMetadataCache.Asker {
        private final Fetch fetch;

        Reader(Fetch fetch) {
            this.fetch = fetch;
        }

        @Override
        public void resolved(List<PeerMetadata> ranks, boolean isCached) {
            if (!fetch.isOver) {
                fetch.isCached = isCached;
                read(fetch, ranks);
            }
        }

        @Override
        public void unresolved(TransferException cause) {
            fail(fetch, fetch.readFailure == null ? cause : fetch.readFailure);
        }
    }

    private void read(Fetch fetch, List<PeerMetadata> ranks) {
        if (fetch.readFailure != null && ranks.equals(fetch.readBy)) {
            fail(fetch, fetch.readFailure);
            return;
        }
        List<ReadPlan.Read> planned;
        try {
            planned = ReadPlan.of(fetch.ticket, fetch.prompt, ranks, pools);
        } catch (TransferException e) {
            fail(fetch, e);
            return;
        }
        fetch.readBy = ranks;
        fetch.beginReads();
        for (ReadPlan.Read read : planned) {
            String peer = SideChannel.segment(fetch.ticket.host(), read.transferPort());
            long leftNs = Math.max(1, config.fetchTimeout().toNanos() - fetch.elapsedNs());
            fetch.openReads++;
            fetch.plannedBytes += read.spans().totalBytes();
            fetch.reads.add(reads.start(
                    peer,
                    read.spans(),
                    Duration.ofNanos(leftNs),
                    (transfer, bytes, failure) -> readEnded(fetch, bytes, failure)));
        }
        if (planned.isEmpty()) {
            throw new IllegalStateException("request " + fetch.requestId() + " needs tokens and reads nothing");
        }
    }

    /** With the first read that failed the others are of no use. */
    private void readEnded(Fetch fetch, long bytes, @Nullable TransferException failure) {
        fetch.openReads--;
        fetch.movedBytes += bytes;
        if (failure != null && fetch.failure == null) {
            fetch.failure = failure;
            fetch.reads.forEach(Transfer::cancel);
        }
        if (fetch.openReads == 0) {
            settle(fetch);
        }
    }

    /** All reads have ended. */
    private void settle(Fetch fetch) {
        if (fetch.giveUp != null) {
            end(fetch, new FetchFailed(fetch.requestId(), fetch.giveUp));
        } else if (fetch.failure != null) {
            readFailed(fetch, fetch.failure);
        } else if (fetch.movedBytes != fetch.plannedBytes) {
            fail(
                    fetch,
                    new TransferException(
                            Kind.CORRUPT,
                            fetch.movedBytes + " bytes came where " + fetch.plannedBytes + " were asked for"));
        } else {
            LOG.debug(
                    "request={} bytes={} reads={} fetched from engine={}",
                    fetch.requestId(),
                    fetch.movedBytes,
                    fetch.reads.size(),
                    fetch.ticket.engineId());
            end(fetch, new FetchDone(fetch.requestId(), fetch.movedBytes, fetch.elapsedNs()));
        }
    }

    /** Cached addresses may be those of an earlier life of the peer: ask once, and read again if they have changed. */
    private void readFailed(Fetch fetch, TransferException cause) {
        boolean mayBeStale = fetch.isCached
                && (fetch.ticket.incarnation().isEmpty() || cause.kind() == TransferException.Kind.REJECTED);
        if (mayBeStale) {
            fetch.readFailure = cause;
            peers.renew(dialect, fetch.ticket, new Reader(fetch));
        } else {
            fail(fetch, cause);
        }
    }

    private void giveUp(Fetch fetch, TransferException cause) {
        if (fetch.isOver || fetch.giveUp != null) {
            return;
        }
        fetch.giveUp = cause;
        if (fetch.openReads > 0) {
            fetch.reads.forEach(Transfer::cancel); // the end of the last one brings the event
        } else {
            fail(fetch, cause);
        }
    }

    private void fail(Fetch fetch, TransferException cause) {
        if (!fetch.isOver) {
            LOG.warn(
                    "request={} engine={} host={} port={} KV not fetched: {}: {}",
                    fetch.requestId(),
                    fetch.ticket.engineId(),
                    fetch.ticket.host(),
                    fetch.ticket.port(),
                    cause.kind(),
                    cause.getMessage());
            end(fetch, new FetchFailed(fetch.requestId(), cause));
        }
    }

    private void end(Fetch fetch, HandoffEvent event) {
        fetch.isOver = true;
        events.post(event);
        notices.sendDone(fetch.requestId(), fetch.ticket);
    }
}
