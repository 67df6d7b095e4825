package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.HandoffEvent.PushFailed;
import dev.tandem.engine.handoff.PeerMetadataCache.Peer;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * P's half of the layerwise push: writes each layer of a prompt into the decode node's memory as soon as a rank has stored it, while the
 * next layer computes, then says done. {@link #begin}, {@link #cancel}, {@link #refuse} and {@link #poll} belong to the engine loop,
 * {@link #stored} to the rank workers; all of them only post. Everything behind them runs on the side-channel poller.
 *
 * <p>A push ends in exactly one event, after the last byte has been read from the blocks that ever will be: {@link PushDone} when the
 * decode node has acknowledged that all is there, else {@link PushFailed}. A failure is told to the decode node at once, not when it has
 * come to rest.
 */
final class PushSender {
    private static final Logger LOG = LoggerFactory.getLogger(PushSender.class);

    /** Starts a write: {@code TransferEngine.write}, or what a test puts in its place. */
    interface Writer {
        Transfer write(String peer, SpanBatch spans, Duration deadline);
    }

    /**
     * What a sender needs of its node.
     *
     * @param config of this replica
     * @param pools where KV is, by tensor rank
     * @param writer moves bytes
     * @param counters of the process
     * @param wakeLoop called when {@link #poll} has something
     */
    record Node(
            HandoffConfig config,
            List<KvPool> pools,
            Writer writer,
            Counters<HandoffCounter> counters,
            Runnable wakeLoop) {}

    private final Node node;
    private final SideChannel channel;
    private final PeerMetadataCache book;
    private final HandoffLimits limits;
    private final PeerDirectory directory;
    private final SideChannelDialect dialect;
    private final int layers;

    // Owned by the engine loop.
    private final Set<String> pushing = new HashSet<>();

    // From the poller to the engine loop; at most one entry a push.
    private final Queue<HandoffEvent> events = new ConcurrentLinkedQueue<>();

    // Owned by the side-channel poller.
    private final Map<String, Push> pushes = new HashMap<>();
    private final InFlightTransfers rest = new InFlightTransfers();

    PushSender(Node node, SideChannel channel, PeerMetadataCache book, HandoffLimits limits) {
        this.node = node;
        this.channel = channel;
        this.book = book;
        this.limits = limits;
        this.directory = PeerDirectory.of(node.config());
        this.dialect = SideChannelDialect.of(node.config());
        this.layers = layers(node.pools().getFirst());
    }

    private static int layers(KvPool pool) {
        int last = 0;
        for (KvPlane plane : pool.layout().planes()) {
            last = Math.max(last, plane.layer());
        }
        return last + 1;
    }

    // ---- engine loop

    /** @throws EngineException INVALID when a request of this id is being pushed */
    void begin(Push.Order order) {
        if (!pushing.add(order.requestId())) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "request id " + order.requestId() + " is in use: its KV is being pushed");
        }
        var push = new Push(order, node.pools().size(), layers);
        channel.execute(() -> open(push));
    }

    /** Gives a push up; its event comes when the blocks are at rest. An unknown id is ignored. */
    void cancel(String requestId, TransferException reason) {
        channel.execute(() -> {
            Push push = pushes.get(requestId);
            if (push != null) {
                fail(push, reason);
            }
        });
    }

    /** Tells a decode node that a push that it waits for will not begin. */
    void refuse(String requestId, HandoffTicket target, String reason) {
        channel.execute(() -> sendFailed(requestId, target, reason));
    }

    void poll(List<HandoffEvent> found) {
        for (HandoffEvent event = events.poll(); event != null; event = events.poll()) {
            pushing.remove(event.requestId());
            found.add(event);
        }
    }

    /** Gives up all that is under way and returns when nothing reads the pools any more; false when that takes too long. */
    boolean close(Duration patience) {
        return rest.await(channel, patience, () -> {
            var closed = new TransferException(Kind.CANCELLED, "the prefill node is closing");
            List.copyOf(pushes.values()).forEach(push -> fail(push, closed));
        });
    }

    // ---- rank workers

    /** One layer lies in one rank's pool, for all these prompts. */
    void stored(List<PushProgress> prompts, int tpRank, int layer) {
        channel.execute(() -> {
            for (PushProgress prompt : prompts) {
                Push push = pushes.get(prompt.requestId());
                if (push != null) {
                    push.stored(tpRank, layer, prompt.storedTokens());
                    pump(push);
                }
            }
        });
    }

    // ---- side-channel poller

    private Peer peerOf(HandoffTicket target) {
        return directory.find(target);
    }

    private void open(Push push) {
        HandoffTicket target = push.order().target();
        pushes.put(push.requestId(), push);
        Optional<String> objection = directory.objection(target);
        if (objection.isPresent()) {
            fail(push, new TransferException(Kind.REJECTED, objection.get()));
            return;
        }
        List<PeerMetadata> known = book.known(peerOf(target));
        if (!known.isEmpty() && !ReadPlan.isOtherLife(target, known.getFirst())) {
            plan(push, known);
            return;
        }
        if (!known.isEmpty()) {
            node.counters().increment(HandoffCounter.METADATA_REFRESHED);
        }
        book.ask(
                peerOf(target),
                dialect,
                node.counters(),
                new PeerMetadataCache.Asker(ranks -> plan(push, ranks), cause -> fail(push, cause)));
    }

    private void plan(Push push, List<PeerMetadata> ranks) {
        if (push.failure != null) {
            return;
        }
        try {
            push.plan = PushPlan.of(push.order(), ranks, node.pools());
        } catch (TransferException e) {
            fail(push, e);
            return;
        }
        pump(push);
    }

    /** Sends what is stored, as far as the bound on open writes allows; says done when all is there. */
    private void pump(Push push) {
        PushPlan plan = push.plan;
        if (plan == null || push.failure != null) {
            return;
        }
        try {
            while (push.open.size() < limits.writesPerPush()) {
                Optional<Push.Piece> piece = push.take(plan.firstToken());
                if (piece.isEmpty()) {
                    break;
                }
                for (PushPlan.Write write : plan.writes(
                        piece.get().tpRank(), piece.get().layer(), piece.get().tokens())) {
                    post(push, write);
                }
            }
        } catch (TransferException e) {
            fail(push, e);
            return;
        }
        if (push.open.isEmpty() && push.isStoredWhole() && !push.isAnnounced) {
            sendDone(push);
        }
    }

    @SuppressWarnings("FutureReturnValueIgnored") // what the callback posts is the result
    private void post(Push push, PushPlan.Write write) {
        String peer = SideChannel.segment(push.order().target().host(), write.transferPort());
        Transfer transfer =
                node.writer().write(peer, write.spans(), node.config().fetchTimeout());
        push.open.add(transfer);
        rest.enter();
        long planned = write.spans().totalBytes();
        transfer.done()
                .whenComplete((moved, cause) -> channel.execute(() -> moved(push, transfer, planned, moved, cause)));
    }

    private void moved(
            Push push, Transfer transfer, long planned, Transfer.@Nullable Moved moved, @Nullable Throwable cause) {
        push.open.remove(transfer);
        if (moved == null) {
            fail(push, PullConnector.asTransferException(cause));
        } else if (moved.bytes() != planned) {
            fail(
                    push,
                    new TransferException(
                            Kind.CORRUPT, moved.bytes() + " bytes were written of " + planned + " asked for"));
        } else {
            push.writtenBytes += moved.bytes();
        }
        settle(push);
        pump(push);
        rest.leave();
    }

    /** Nothing more is written from now on; the decode node hears of it at once. */
    private void fail(Push push, TransferException cause) {
        if (push.failure != null || push.isOver) {
            return;
        }
        push.failure = cause;
        LOG.warn(
                "request={} engine={} host={} port={} KV not pushed: {}: {}",
                push.requestId(),
                push.order().target().engineId(),
                push.order().target().host(),
                push.order().target().port(),
                cause.kind(),
                cause.getMessage());
        sendFailed(push.requestId(), push.order().target(), cause.kind() + ": " + cause.getMessage());
        List.copyOf(push.open).forEach(Transfer::cancel);
        settle(push);
    }

    /** Leaves the event of a failed push once nothing reads its blocks any more. */
    private void settle(Push push) {
        TransferException failure = push.failure;
        if (failure != null && push.open.isEmpty() && !push.isOver) {
            node.counters().increment(HandoffCounter.PUSHES_FAILED);
            end(push, new PushFailed(push.requestId(), failure));
        }
    }

    private void end(Push push, HandoffEvent event) {
        push.isOver = true;
        pushes.remove(push.requestId(), push);
        events.add(event);
        node.wakeLoop().run();
    }

    private void sendDone(Push push) {
        push.isAnnounced = true;
        HandoffTicket target = push.order().target();
        channel.questions()
                .ask(
                        peerOf(target).endpoint(0),
                        SideChannelCodec.encodeDoneSending(transferId(push.requestId(), target), leaseOf(target)),
                        answer -> acknowledged(push, answer),
                        cause -> fail(push, cause));
    }

    private void acknowledged(Push push, byte[] answer) {
        if (!SideChannelCodec.isAcknowledgement(answer)) {
            fail(
                    push,
                    new TransferException(
                            Kind.REJECTED,
                            "engine " + push.order().target().engineId() + " does not wait for this prompt any more"));
        } else if (push.failure == null) {
            node.counters().increment(HandoffCounter.PUSHES_DONE);
            LOG.debug(
                    "request={} bytes={} pushed to engine={}",
                    push.requestId(),
                    push.writtenBytes,
                    push.order().target().engineId());
            end(push, new PushDone(push.requestId(), push.writtenBytes, push.elapsedNanos()));
        }
    }

    private void sendFailed(String requestId, HandoffTicket target, String reason) {
        String transferId = transferId(requestId, target);
        channel.questions()
                .ask(
                        peerOf(target).endpoint(0),
                        SideChannelCodec.encodeFailedSending(transferId, leaseOf(target), reason),
                        answer -> LOG.debug("request={} the decode node knows of the failure", transferId),
                        cause -> LOG.warn("request={} failure not delivered: {}", transferId, cause.getMessage()));
    }

    private static String transferId(String requestId, HandoffTicket target) {
        return target.transferId().orElse(requestId);
    }

    /** Names the lease, which is fresh each time, where a request id may come again. */
    private static int leaseOf(HandoffTicket target) {
        return target.blockIds().isEmpty() ? -1 : target.blockIds().getFirst();
    }
}
