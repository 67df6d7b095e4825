package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.PeerMetadataCache.Peer;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads prompts' KV from prefill nodes into the local pool: ask the peer what it holds, plan, read, say done. Two halves: {@link #fetch},
 * {@link #cancel}, {@link #decline} and {@link #poll} belong to the engine loop and only post; everything behind them runs on the
 * side-channel poller. A fetch ends in exactly one event, after the last byte has been written that ever will be; and whatever its end,
 * the prefill node is told, so that it frees its blocks at once.
 */
final class PullConnector {
    private static final Logger LOG = LoggerFactory.getLogger(PullConnector.class);

    /** Starts a read: {@code TransferEngine.read}, or what a test puts in its place. */
    interface Reader {
        Transfer read(String peer, SpanBatch spans, Duration deadline);
    }

    /**
     * What a connector needs of its node.
     *
     * @param config of this replica
     * @param pools where KV goes, by tensor rank
     * @param reader moves bytes
     * @param counters of the process
     * @param wakeLoop called when {@link #poll} has something
     */
    record Node(
            HandoffConfig config,
            List<KvPool> pools,
            Reader reader,
            Counters<HandoffCounter> counters,
            Runnable wakeLoop) {}

    private final Node node;
    private final SideChannel channel;
    private final PeerMetadataCache book;
    private final HandoffLimits limits;
    private final PeerDirectory directory;
    private final SideChannelDialect dialect;

    // Owned by the engine loop.
    private final LinkedHashMap<String, Fetch> fetching = new LinkedHashMap<>();
    private final LinkedHashMap<String, Fetch> due = new LinkedHashMap<>(); // those not overdue yet, first due first

    // From the poller to the engine loop; at most one entry a fetch.
    private final Queue<HandoffEvent> events = new ConcurrentLinkedQueue<>();

    // Owned by the side-channel poller.
    private final InFlightTransfers rest = new InFlightTransfers();

    PullConnector(Node node, SideChannel channel, PeerMetadataCache book, HandoffLimits limits) {
        this.node = node;
        this.channel = channel;
        this.book = book;
        this.limits = limits;
        this.directory = PeerDirectory.of(node.config());
        this.dialect = SideChannelDialect.of(node.config());
    }

    // ---- engine loop
    // -----------------------------------------------------------------------------------------------------

    /** @throws EngineException INVALID when a request of this id is being fetched */
    void fetch(Fetch.Order order, long nowNs) {
        if (fetching.containsKey(order.requestId())) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "request id " + order.requestId() + " is in use: its KV is being fetched");
        }
        var fetch = new Fetch(order, nowNs + node.config().fetchTimeout().toNanos());
        boolean isTooMany = fetching.size() >= limits.fetches();
        fetching.put(order.requestId(), fetch);
        due.put(order.requestId(), fetch);
        if (isTooMany) {
            channel.execute(() ->
                    fail(fetch, new TransferException(Kind.OVERLOADED, limits.fetches() + " fetches are under way")));
        } else {
            channel.execute(() -> begin(fetch));
        }
    }

    void cancel(String requestId) {
        Fetch fetch = fetching.get(requestId);
        if (fetch != null) {
            channel.execute(() -> giveUp(fetch, new TransferException(Kind.CANCELLED, "the fetch was cancelled")));
        }
    }

    void decline(String requestId, HandoffTicket ticket) {
        channel.execute(() -> sendDone(requestId, ticket));
    }

    void poll(long nowNs, List<HandoffEvent> found) {
        for (HandoffEvent event = events.poll(); event != null; event = events.poll()) {
            fetching.remove(event.requestId());
            due.remove(event.requestId());
            found.add(event);
        }
        while (!due.isEmpty() && due.firstEntry().getValue().deadlineNs() - nowNs <= 0) {
            Fetch fetch = due.pollFirstEntry().getValue();
            var reason = new TransferException(
                    Kind.TIMED_OUT,
                    "the KV was not here within " + node.config().fetchTimeout().toMillis() + " ms");
            channel.execute(() -> giveUp(fetch, reason));
        }
    }

    /** The earliest deadline of a fetch that lies ahead, else Long.MAX_VALUE. */
    long nextDeadlineNs() {
        return due.isEmpty() ? Long.MAX_VALUE : due.firstEntry().getValue().deadlineNs();
    }

    /** Gives up all that is under way. */
    void cancelAll() {
        for (String requestId : List.copyOf(fetching.keySet())) {
            cancel(requestId);
        }
    }

    int fetches() {
        return fetching.size();
    }

    // ---- side-channel poller
    // ---------------------------------------------------------------------------------------------

    private void begin(Fetch fetch) {
        if (fetch.isOver) {
            return; // cancelled before it began
        }
        HandoffTicket ticket = fetch.ticket();
        Peer peer;
        try {
            peer = found(ticket);
        } catch (TransferException e) {
            fail(fetch, e);
            return;
        }
        if (fetch.tokens().from() >= fetch.tokens().to()) {
            end(fetch, new FetchDone(fetch.requestId(), 0, fetch.elapsedNanos()));
            return;
        }
        List<PeerMetadata> ranks = book.known(peer);
        if (ranks.isEmpty()) {
            ask(fetch);
        } else if (ReadPlan.isOtherLife(ticket, ranks.getFirst())) {
            node.counters().increment(HandoffCounter.METADATA_REFRESHED);
            ask(fetch);
        } else {
            fetch.isCached = true;
            read(fetch, ranks);
        }
    }

    /** @throws TransferException REJECTED when nothing can be read where the ticket says */
    private Peer found(HandoffTicket ticket) {
        Peer peer = directory.find(ticket);
        Optional<String> objection = directory.objection(ticket);
        if (objection.isPresent()) {
            throw new TransferException(Kind.REJECTED, objection.get());
        }
        return peer;
    }

    private void ask(Fetch fetch) {
        book.ask(
                directory.find(fetch.ticket()),
                dialect,
                node.counters(),
                new PeerMetadataCache.Asker(
                        ranks -> {
                            if (!fetch.isOver) {
                                read(fetch, ranks);
                            }
                        },
                        cause -> fail(fetch, fetch.readFailure == null ? cause : fetch.readFailure)));
    }

    private void read(Fetch fetch, List<PeerMetadata> ranks) {
        if (fetch.readFailure != null && ranks.equals(fetch.readBy)) {
            fail(fetch, fetch.readFailure);
            return;
        }
        List<ReadPlan.Read> reads;
        try {
            reads = ReadPlan.of(fetch.order(), ranks, node.pools());
        } catch (TransferException e) {
            fail(fetch, e);
            return;
        }
        fetch.readBy = ranks;
        fetch.beginReads();
        for (ReadPlan.Read read : reads) {
            post(fetch, read);
        }
        if (reads.isEmpty()) {
            throw new IllegalStateException("request " + fetch.requestId() + " needs tokens and reads nothing");
        }
    }

    @SuppressWarnings("FutureReturnValueIgnored") // what the callback posts is the result
    private void post(Fetch fetch, ReadPlan.Read read) {
        String peer = SideChannel.segment(fetch.ticket().host(), read.transferPort());
        long leftNanos = Math.max(1, node.config().fetchTimeout().toNanos() - fetch.elapsedNanos());
        Transfer transfer = node.reader().read(peer, read.spans(), Duration.ofNanos(leftNanos));
        fetch.reads.add(transfer);
        fetch.openReads++;
        rest.enter();
        fetch.plannedBytes += read.spans().totalBytes();
        transfer.done().whenComplete((moved, cause) -> channel.execute(() -> moved(fetch, moved, cause)));
    }

    /** One read is at rest; with the first that failed the others are of no use. */
    private void moved(Fetch fetch, Transfer.@Nullable Moved moved, @Nullable Throwable cause) {
        fetch.openReads--;
        if (moved != null) {
            fetch.movedBytes += moved.bytes();
        } else if (fetch.failure == null) {
            fetch.failure = asTransferException(cause);
            fetch.reads.forEach(Transfer::cancel);
        }
        if (fetch.openReads == 0) {
            settle(fetch);
        }
        rest.leave();
    }

    /** All reads are at rest. */
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
                    fetch.ticket().engineId());
            end(fetch, new FetchDone(fetch.requestId(), fetch.movedBytes, fetch.elapsedNanos()));
        }
    }

    /** Cached addresses may be those of an earlier life of the peer: ask once, and read again if they have changed. */
    private void readFailed(Fetch fetch, TransferException cause) {
        boolean mayBeStale = fetch.isCached && fetch.ticket().incarnation().isEmpty();
        if (!mayBeStale) {
            fail(fetch, cause);
            return;
        }
        fetch.isCached = false;
        fetch.readFailure = cause;
        node.counters().increment(HandoffCounter.METADATA_REFRESHED);
        ask(fetch);
    }

    /** Why a transfer ended. */
    static TransferException asTransferException(@Nullable Throwable cause) {
        Throwable found = cause instanceof CompletionException ? cause.getCause() : cause;
        if (found instanceof TransferException exception) {
            return exception;
        }
        var failure = new TransferException(Kind.PEER_GONE, "the read ended without a result: " + found);
        failure.addSuppressed(found == null ? new IllegalStateException("no cause") : found);
        return failure;
    }

    private void giveUp(Fetch fetch, TransferException reason) {
        if (fetch.isOver || fetch.giveUp != null) {
            return;
        }
        fetch.giveUp = reason;
        if (fetch.openReads > 0) {
            fetch.reads.forEach(Transfer::cancel); // the end of the last one brings the event
        } else {
            fail(fetch, reason);
        }
    }

    private void fail(Fetch fetch, TransferException cause) {
        if (!fetch.isOver) {
            LOG.warn(
                    "request={} engine={} host={} port={} KV not fetched: {}: {}",
                    fetch.requestId(),
                    fetch.ticket().engineId(),
                    fetch.ticket().host(),
                    fetch.ticket().port(),
                    cause.kind(),
                    cause.getMessage());
            end(fetch, new FetchFailed(fetch.requestId(), cause));
        }
    }

    private void end(Fetch fetch, HandoffEvent event) {
        fetch.isOver = true;
        events.add(event);
        node.wakeLoop().run();
        sendDone(fetch.requestId(), fetch.ticket());
    }

    /** Tells the prefill engine that nothing of the request is or will be read; one that the directory does not know is not called. */
    private void sendDone(String requestId, HandoffTicket ticket) {
        String transferId = ticket.transferId().orElse(requestId);
        Peer peer;
        try {
            peer = directory.find(ticket);
        } catch (TransferException e) {
            undelivered(transferId, e);
            return;
        }
        dialect.done(transferId, peer, ticket.incarnation().isPresent())
                .forEach((rank, message) -> channel.questions()
                        .ask(
                                peer.endpoint(rank),
                                message,
                                answer -> node.counters()
                                        .increment(
                                                dialect.isTaken(answer)
                                                        ? HandoffCounter.DONE_SENT
                                                        : HandoffCounter.DONE_UNDELIVERED),
                                cause -> undelivered(transferId, cause)));
    }

    private void undelivered(String transferId, TransferException cause) {
        node.counters().increment(HandoffCounter.DONE_UNDELIVERED);
        LOG.warn("request={} done message not delivered: {}", transferId, cause.getMessage());
    }

    /** Gives up all that is under way and returns when nothing writes into the pools any more; false when that takes too long. */
    boolean close(Duration patience) {
        cancelAll();
        return rest.await(channel, patience, () -> {});
    }
}
