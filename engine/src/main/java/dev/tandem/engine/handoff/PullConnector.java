package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    private static final Logger log = LoggerFactory.getLogger(PullConnector.class);

    /** Starts a read: {@code TransferEngine.read}, or what a test puts in its place. */
    interface Reader {
        Transfer read(String peer, SpanBatch spans, Duration deadline);
    }

    /**
     * What a connector needs of its node.
     *
     * @param engineId of this node
     * @param fetchTimeout for a fetch as a whole
     * @param pool where KV goes
     * @param reader moves bytes
     * @param wakeLoop called when {@link #poll} has something
     */
    record Node(String engineId, Duration fetchTimeout, KvPool pool, Reader reader, Runnable wakeLoop) {}

    /** Whom metadata is from. */
    private record Peer(String host, int port, String engineId) {
        String endpoint() {
            return SideChannel.endpoint(host, Integer.toString(port));
        }
    }

    private final Node node;
    private final SideChannel channel;
    private final HandoffLimits limits;
    private final HandoffCounters counters;

    // Owned by the engine loop.
    private final LinkedHashMap<String, Fetch> fetching = new LinkedHashMap<>();
    private final LinkedHashMap<String, Fetch> due = new LinkedHashMap<>(); // those not overdue yet, first due first

    // From the poller to the engine loop; at most one entry a fetch.
    private final Queue<HandoffEvent> events = new ConcurrentLinkedQueue<>();

    // Owned by the side-channel poller.
    private final LinkedHashMap<Peer, PeerMetadata> known = new LinkedHashMap<>(); // longest unused first
    private final Map<Peer, List<Fetch>> asking = new LinkedHashMap<>();

    PullConnector(Node node, SideChannel channel, HandoffLimits limits, HandoffCounters counters) {
        this.node = node;
        this.channel = channel;
        this.limits = limits;
        this.counters = counters;
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
        var fetch = new Fetch(order, nowNs + node.fetchTimeout().toNanos());
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
        channel.execute(() -> sayDone(requestId, ticket));
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
                    "the KV was not here within " + node.fetchTimeout().toMillis() + " ms");
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
        if (ticket.engineId().equals(node.engineId())) {
            fail(
                    fetch,
                    new TransferException(
                            Kind.REJECTED,
                            "engine_id \"" + node.engineId()
                                    + "\" is this node's own and the prefill node's; each node needs its own"));
            return;
        }
        if (fetch.tokens().from() >= fetch.tokens().to()) {
            end(fetch, new FetchDone(fetch.requestId(), 0, fetch.elapsedNanos()));
            return;
        }
        PeerMetadata metadata = cached(peerOf(ticket));
        if (metadata == null) {
            ask(fetch);
        } else if (isOtherLife(ticket, metadata)) {
            counters.increment(HandoffCounter.METADATA_REFRESHED);
            ask(fetch);
        } else {
            fetch.isCached = true;
            read(fetch, metadata);
        }
    }

    private static Peer peerOf(HandoffTicket ticket) {
        return new Peer(ticket.host(), ticket.port(), ticket.engineId());
    }

    private @Nullable PeerMetadata cached(Peer peer) {
        PeerMetadata metadata = known.remove(peer);
        if (metadata != null) {
            known.put(peer, metadata);
        }
        return metadata;
    }

    private static boolean isOtherLife(HandoffTicket ticket, PeerMetadata metadata) {
        return ticket.incarnation().isPresent()
                && metadata.details().isPresent()
                && !ticket.incarnation().get().equals(metadata.details().get().incarnation());
    }

    private void ask(Fetch fetch) {
        Peer peer = peerOf(fetch.ticket());
        List<Fetch> waiting = asking.get(peer);
        if (waiting != null) {
            waiting.add(fetch);
            return;
        }
        waiting = new ArrayList<>(List.of(fetch));
        asking.put(peer, waiting);
        counters.increment(HandoffCounter.METADATA_ASKED);
        channel.questions()
                .ask(
                        peer.endpoint(),
                        SideChannelCodec.encodeGetMetadata(),
                        answer -> told(peer, answer),
                        cause -> untold(peer, cause));
    }

    private void told(Peer peer, byte[] answer) {
        PeerMetadata metadata;
        try {
            metadata = SideChannelCodec.decodeMetadata(answer);
            requireEngine(peer, metadata);
        } catch (TransferException e) {
            untold(peer, e);
            return;
        }
        known.remove(peer);
        known.put(peer, metadata);
        if (known.size() > limits.peers()) {
            known.pollFirstEntry();
        }
        for (Fetch fetch : waitingFor(peer)) {
            if (!fetch.isOver) {
                read(fetch, metadata);
            }
        }
    }

    private void requireEngine(Peer peer, PeerMetadata metadata) {
        if (!metadata.engineId().equals(peer.engineId())) {
            throw new TransferException(
                    Kind.REJECTED,
                    "engine_id at " + peer.endpoint() + " is \"" + metadata.engineId()
                            + "\", but the ticket's remote_engine_id is \"" + peer.engineId() + "\"");
        }
    }

    private void untold(Peer peer, TransferException cause) {
        for (Fetch fetch : waitingFor(peer)) {
            fail(fetch, fetch.readFailure == null ? cause : fetch.readFailure);
        }
    }

    private List<Fetch> waitingFor(Peer peer) {
        List<Fetch> waiting = asking.remove(peer);
        return waiting == null ? List.of() : waiting;
    }

    @SuppressWarnings("FutureReturnValueIgnored") // what the callback posts is the result
    private void read(Fetch fetch, PeerMetadata metadata) {
        if (fetch.readFailure != null && metadata.equals(fetch.readBy)) {
            fail(fetch, fetch.readFailure);
            return;
        }
        Transfer transfer;
        try {
            SpanBatch spans = plan(fetch, metadata);
            fetch.plannedBytes = spans.totalBytes();
            String peer = SideChannel.segment(fetch.ticket().host(), metadata.transferPort());
            long leftNanos = Math.max(1, node.fetchTimeout().toNanos() - fetch.elapsedNanos());
            transfer = node.reader().read(peer, spans, Duration.ofNanos(leftNanos));
        } catch (TransferException e) {
            fail(fetch, e);
            return;
        }
        fetch.readBy = metadata;
        fetch.moving = transfer;
        transfer.done().whenComplete((moved, cause) -> channel.execute(() -> moved(fetch, moved, cause)));
    }

    private SpanBatch plan(Fetch fetch, PeerMetadata metadata) {
        PeerMetadata.Details details = metadata.details()
                .orElseThrow(() -> new TransferException(
                        Kind.REJECTED,
                        "engine " + metadata.engineId()
                                + " does not tell the layout of its blocks, so they cannot be read"));
        if (isOtherLife(fetch.ticket(), metadata)) {
            throw new TransferException(
                    Kind.REJECTED, "engine " + metadata.engineId() + " was restarted since it wrote the ticket");
        }
        for (int blockId : fetch.ticket().blockIds()) {
            if (blockId >= metadata.blockCount()) {
                throw new TransferException(
                        Kind.REJECTED, "block " + blockId + " of a peer with " + metadata.blockCount() + " blocks");
            }
        }
        KvPool pool = node.pool();
        var offsets = new ArrayList<Long>();
        for (int plane = 0; plane < pool.layout().planes().size(); plane++) {
            offsets.add(pool.planeOffset(plane));
        }
        var source = new TransferPlan.Source(
                details.layout(), metadata.planeAddresses(), fetch.ticket().blockIds());
        var target = new TransferPlan.Target(pool.layout(), pool.memory(), offsets, fetch.localBlockIds());
        return TransferPlan.plan(List.of(source), target, fetch.tokens()).getFirst();
    }

    private void moved(Fetch fetch, Transfer.@Nullable Moved moved, @Nullable Throwable cause) {
        fetch.moving = null;
        if (fetch.giveUp != null) {
            end(fetch, new FetchFailed(fetch.requestId(), fetch.giveUp));
        } else if (moved == null) {
            readFailed(fetch, asTransferException(cause));
        } else if (moved.bytes() != fetch.plannedBytes) {
            fail(
                    fetch,
                    new TransferException(
                            Kind.CORRUPT,
                            moved.bytes() + " bytes came where " + fetch.plannedBytes + " were asked for"));
        } else {
            log.debug(
                    "request={} bytes={} fetched from engine={}",
                    fetch.requestId(),
                    moved.bytes(),
                    fetch.ticket().engineId());
            end(fetch, new FetchDone(fetch.requestId(), moved.bytes(), fetch.elapsedNanos()));
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
        counters.increment(HandoffCounter.METADATA_REFRESHED);
        ask(fetch);
    }

    private static TransferException asTransferException(@Nullable Throwable cause) {
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
        if (fetch.moving != null) {
            fetch.moving.cancel(); // its end brings the event
        } else {
            fail(fetch, reason);
        }
    }

    private void fail(Fetch fetch, TransferException cause) {
        if (!fetch.isOver) {
            log.warn(
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
        sayDone(fetch.requestId(), fetch.ticket());
    }

    private void sayDone(String requestId, HandoffTicket ticket) {
        String lentAs = ticket.lentAs().orElse(requestId);
        channel.questions()
                .ask(
                        peerOf(ticket).endpoint(),
                        SideChannelCodec.encodeDoneReceiving(lentAs),
                        answer -> counters.increment(
                                SideChannelCodec.isAcknowledgement(answer)
                                        ? HandoffCounter.DONE_SENT
                                        : HandoffCounter.DONE_UNDELIVERED),
                        cause -> {
                            counters.increment(HandoffCounter.DONE_UNDELIVERED);
                            log.warn("request={} done message not delivered: {}", lentAs, cause.getMessage());
                        });
    }
}
