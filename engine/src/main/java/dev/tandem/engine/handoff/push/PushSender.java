package dev.tandem.engine.handoff.push;

import dev.tandem.counter.Counters;
import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.HandoffEvent.PushFailed;
import dev.tandem.engine.handoff.HandoffLimits;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.plan.PushPlan;
import dev.tandem.engine.handoff.runtime.EventQueue;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.runtime.InFlightTransfers;
import dev.tandem.engine.handoff.runtime.PeerNotices;
import dev.tandem.engine.handoff.runtime.Sums;
import dev.tandem.engine.handoff.sidechannel.PeerMetadataCache;
import dev.tandem.engine.handoff.sidechannel.SideChannel;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Transfer;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * P's half of the layerwise push: writes each layer of a prompt into the decode node's memory as soon as a rank has stored it, while the
 * next layer computes, then reports completion. A push ends in exactly one event, after the last byte has been read from the blocks that ever will
 * be: {@link PushDone} when the decode node has acknowledged that all is there, else {@link PushFailed}. A failure is told to the decode
 * node at once, not when all writes have ended.
 *
 * <p>The methods that {@link LayerwiseConnector} calls belong to the engine loop and only post, as do the listeners on rank threads;
 * everything behind them runs on the side-channel poller.
 */
final class PushSender {
    private static final Logger LOG = LoggerFactory.getLogger(PushSender.class);

    private final HandoffConfig config;
    private final List<KvPool> pools; // where KV is, by tensor rank
    private final SideChannel channel;
    private final PeerMetadataCache peers;
    private final InFlightTransfers writes;
    private final HandoffLimits limits;
    private final Counters<HandoffCounter> counters;
    private final SideChannelDialect dialect;
    private final PeerNotices notices;
    private final Sums sums;
    private final int layers;
    private final EventQueue<Push> events;

    PushSender(
            HandoffConfig config,
            List<KvPool> pools,
            HandoffRuntime runtime,
            InFlightTransfers writes,
            PeerNotices notices,
            Sums sums,
            Runnable wakeLoop) {
        this.config = config;
        this.pools = pools;
        this.channel = runtime.channel();
        this.peers = runtime.peers();
        this.writes = writes;
        this.limits = runtime.limits();
        this.counters = runtime.counters();
        this.notices = notices;
        this.sums = sums;
        this.dialect = SideChannelDialect.of(config);
        this.layers = layers(pools.getFirst());
        this.events = new EventQueue<>("pushed", channel, wakeLoop);
    }

    private static int layers(KvPool pool) {
        int last = 0;
        for (KvPlane plane : pool.layout().planes()) {
            last = Math.max(last, plane.layer());
        }
        return last + 1;
    }

    /**
     * Begins to push a prompt; {@link #layerListener} says how far it is stored.
     *
     * @param target the decode node's blocks, the last ones of the prompt
     * @throws EngineException INVALID when a request of this id is being pushed; then nothing was begun
     */
    void start(HandoffTicket target, PromptBlocks prompt) {
        var push = new Push(target, prompt, pools.size(), layers, channel::nowNs);
        events.begin(prompt.requestId(), push, () -> begin(push), cause -> new PushFailed(prompt.requestId(), cause));
    }

    /** What rank threads tell in the middle of a step. At most one task per push waits for the poller, whatever they store meanwhile. */
    LayerListener layerListener(List<PushProgress> prompts) {
        var open = new ArrayList<Push>(prompts.size());
        var storedTokens = new int[prompts.size()];
        for (PushProgress prompt : prompts) {
            Push push = events.find(prompt.requestId());
            if (push != null) {
                storedTokens[open.size()] = prompt.storedTokens();
                open.add(push);
            }
        }
        if (open.isEmpty()) {
            return LayerListener.NONE;
        }
        return (tpRank, layer) -> {
            for (int i = 0; i < open.size(); i++) {
                Push push = open.get(i);
                if (push.stored(tpRank, layer, storedTokens[i])) {
                    channel.execute(() -> {
                        push.look();
                        pump(push);
                    });
                }
            }
        };
    }

    void cancel(String requestId, String reason) {
        Push push = events.find(requestId);
        if (push != null) {
            channel.execute(() -> fail(push, new TransferException(Kind.CANCELLED, reason)));
        }
    }

    void poll(List<HandoffEvent> found) {
        events.drainTo(found);
    }

    /** Pushes whose event has not been polled. */
    int underWay() {
        return events.size();
    }

    /** Gives up all that is under way and returns when nothing reads the pools any more; false when that takes too long. */
    boolean close(Duration patience) {
        var closed = new TransferException(Kind.CANCELLED, "the prefill node is closing");
        List<Push> open = events.all();
        return writes.await(patience, () -> open.forEach(push -> fail(push, closed)));
    }

    // Everything below runs on the side-channel poller.

    private void begin(Push push) {
        peers.resolve(dialect, push.target, new PeerMetadataCache.Asker() {
            @Override
            public void resolved(List<PeerMetadata> ranks, boolean isCached) {
                plan(push, ranks);
            }

            @Override
            public void unresolved(TransferException cause) {
                fail(push, cause);
            }
        });
    }

    private void plan(Push push, List<PeerMetadata> ranks) {
        if (push.failure != null) {
            return;
        }
        try {
            push.plan = PushPlan.of(push.target, push.prompt, ranks, pools);
        } catch (TransferException e) {
            fail(push, e);
            return;
        }
        pump(push);
    }

    /** Sends what is stored, as far as the bound on open writes allows; reports completion when all is there. */
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
                    write(push, write);
                }
            }
        } catch (TransferException e) {
            fail(push, e);
            return;
        }
        if (push.isAnnounced || !push.isStoredWhole()) {
            return;
        }
        List<Integer> summed = push.sums;
        if (summed == null) {
            sum(push, plan);
        } else if (push.open.isEmpty() && push.isSentWhole(plan.firstToken())) {
            sendWritten(push, summed);
        }
    }

    /** Sums the whole prompt while its last layers are still on their way. */
    private void sum(Push push, PushPlan plan) {
        if (push.isSumming) {
            return;
        }
        push.isSumming = true;
        var outcome = new Sums.Outcome<List<Integer>>() {
            @Override
            public void summed(List<Integer> found) {
                channel.execute(() -> {
                    push.isSumming = false;
                    push.sums = found;
                    settle(push);
                    pump(push);
                });
            }

            @Override
            public void failed(RuntimeException cause) {
                channel.execute(() -> {
                    push.isSumming = false;
                    fail(push, new TransferException(Kind.CORRUPT, "the KV could not be summed: " + cause, cause));
                    settle(push);
                });
            }
        };
        if (!sums.offer(() -> plan.sums(push.prompt), outcome)) {
            push.isSumming = false;
            fail(push, new TransferException(Kind.OVERLOADED, "too many prompts wait to be summed"));
        }
    }

    private void write(Push push, PushPlan.Write write) {
        String peer = SideChannel.segment(push.target.host(), write.transferPort());
        long planned = write.spans().totalBytes();
        push.open.add(writes.start(
                peer,
                write.spans(),
                config.fetchTimeout(),
                (transfer, bytes, failure) -> writeEnded(push, transfer, planned, bytes, failure)));
    }

    private void writeEnded(
            Push push, Transfer transfer, long planned, long bytes, @Nullable TransferException failure) {
        push.open.remove(transfer);
        if (failure != null) {
            fail(push, failure);
        } else if (bytes != planned) {
            fail(push, new TransferException(Kind.CORRUPT, bytes + " bytes were written of " + planned + " asked for"));
        } else {
            push.writtenBytes += bytes;
        }
        settle(push);
        pump(push);
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
                push.target.engineId(),
                push.target.host(),
                push.target.port(),
                cause.kind(),
                cause.getMessage());
        notices.sendFailed(push.requestId(), push.target, cause.kind() + ": " + cause.getMessage());
        List.copyOf(push.open).forEach(Transfer::cancel);
        settle(push);
    }

    /** Leaves the event of a failed push once nothing reads its blocks any more. */
    private void settle(Push push) {
        TransferException failure = push.failure;
        if (failure != null && push.open.isEmpty() && !push.isSumming && !push.isOver) {
            counters.increment(HandoffCounter.PUSHES_FAILED);
            end(push, new PushFailed(push.requestId(), failure));
        }
    }

    private void end(Push push, HandoffEvent event) {
        push.isOver = true;
        events.post(event);
    }

    private void sendWritten(Push push, List<Integer> summed) {
        push.isAnnounced = true;
        notices.sendWritten(
                push.requestId(),
                push.target,
                summed,
                isAwaited -> acknowledged(push, isAwaited),
                cause -> fail(push, cause));
    }

    private void acknowledged(Push push, boolean isAwaited) {
        if (!isAwaited) {
            fail(
                    push,
                    new TransferException(
                            Kind.REJECTED,
                            "engine " + push.target.engineId() + " does not wait for this prompt any more"));
        } else if (push.failure == null) {
            counters.increment(HandoffCounter.PUSHES_DONE);
            LOG.debug(
                    "request={} bytes={} pushed to engine={}",
                    push.requestId(),
                    push.writtenBytes,
                    push.target.engineId());
            end(push, new PushDone(push.requestId(), push.writtenBytes, push.elapsedNs()));
        }
    }
}
