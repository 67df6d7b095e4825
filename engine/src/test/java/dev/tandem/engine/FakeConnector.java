package dev.tandem.engine;

import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.HandoffEvent.LeaseEnded;
import dev.tandem.engine.handoff.HandoffEvent.PushDone;
import dev.tandem.engine.handoff.HandoffEvent.PushFailed;
import dev.tandem.engine.handoff.HandoffEvent.Reason;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.LongStream;

/** An exchange without a network: the test says when reads arrive, fail and leases end. */
final class FakeConnector implements KvConnector {
    /** A read that has been asked for. */
    record Fetch(String id, int[] prompt, int cachedTokens, int[] blockIds) {}

    private final KvPool pool;
    private final Runnable wakeLoop;
    private final Queue<HandoffEvent> events = new ConcurrentLinkedQueue<>();
    private final Map<String, int[]> leases = new ConcurrentHashMap<>();
    private final Map<String, Fetch> fetches = new ConcurrentHashMap<>();
    final List<String> declined = new CopyOnWriteArrayList<>();
    final Map<String, Queue<String>> pushes = new ConcurrentHashMap<>(); // by request: "layer:tokens" in order
    final List<String> cancelledPushes = new CopyOnWriteArrayList<>();
    final List<String> refusedPushes = new CopyOnWriteArrayList<>();
    final List<String> cancelledFetches = new CopyOnWriteArrayList<>();
    final List<String> cancelledLeases = new CopyOnWriteArrayList<>();
    volatile boolean isClosed;
    volatile boolean refuses;

    FakeConnector(KvPool pool, Runnable wakeLoop) {
        this.pool = pool;
        this.wakeLoop = wakeLoop;
    }

    static HandoffTicket ticket(int blocks) {
        return new HandoffTicket(
                "peer", "127.0.0.2", 30000, LongStream.range(500, 500 + blocks).toArray(), 7, Map.of());
    }

    Map<String, Fetch> fetches() {
        return fetches;
    }

    Map<String, int[]> leases() {
        return leases;
    }

    void endLease(String id, Reason reason) {
        int[] blockIds = leases.remove(id);
        if (blockIds != null) { // else the loop has just cancelled it
            post(new LeaseEnded(id, blockIds, reason));
        }
    }

    /** The read arrives, with the values that a prefill node has. */
    void arrive(String id) {
        Fetch fetch = fetches.remove(id);
        FakeModel.writePrompt(pool, fetch.blockIds(), fetch.prompt(), fetch.cachedTokens());
        post(new FetchDone(id, 8L * (fetch.prompt().length - fetch.cachedTokens()), 1000));
    }

    /** The decode node has all of a pushed prompt. */
    void endPush(String id) {
        post(new PushDone(id, 8, 1000));
    }

    /** A push breaks off and its writes have completed. */
    void breakPush(String id) {
        post(new PushFailed(id, new TransferException(TransferException.Kind.PEER_GONE, "the decode node is gone")));
    }

    /** The read breaks off after it has spoilt what it was to fill. */
    void breakOff(String id) {
        Fetch fetch = fetches.remove(id);
        int[] rubbish = new int[fetch.prompt().length];
        Arrays.fill(rubbish, 3);
        FakeModel.writePrompt(pool, fetch.blockIds(), rubbish, fetch.cachedTokens());
        post(new FetchFailed(id, new TransferException(TransferException.Kind.REJECTED, "the lease is over")));
    }

    private void post(HandoffEvent event) {
        events.add(event);
        wakeLoop.run();
    }

    @Override
    public void start(HandoffRole role, PromptBlocks prompt, long nowNs) {
        if (role instanceof HandoffRole.Push) {
            pushes.put(prompt.requestId(), new ConcurrentLinkedQueue<>());
            return;
        }
        requireWilling();
        fetches.put(
                prompt.requestId(),
                new Fetch(prompt.requestId(), prompt.tokenIds(), prompt.cachedTokens(), prompt.blockIds()));
    }

    @Override
    public Optional<HandoffTicket> finish(PromptBlocks prompt, int lastTokenId, long nowNs) {
        if (pushes.containsKey(prompt.requestId())) {
            return Optional.empty();
        }
        requireWilling();
        leases.put(prompt.requestId(), prompt.blockIds());
        return Optional.of(ticket(prompt.blockIds().length));
    }

    private void requireWilling() {
        if (refuses) {
            throw new EngineException(EngineException.Kind.OVERLOADED, "no more of this");
        }
    }

    @Override
    public int underWay() {
        return leases.size() + fetches.size() + pushes.size();
    }

    @Override
    public LayerListener layerListener(List<PushProgress> prompts) {
        return (tpRank, layer) -> {
            for (PushProgress prompt : prompts) {
                Queue<String> heard = pushes.get(prompt.requestId());
                if (heard != null) { // else the push was ended by the test
                    heard.add(layer + ":" + prompt.storedTokens());
                }
            }
        };
    }

    @Override
    public void cancel(String requestId, String reason) {
        int[] lent = leases.remove(requestId);
        if (lent != null) {
            cancelledLeases.add(requestId);
            post(new LeaseEnded(requestId, lent, Reason.CANCELLED));
        } else if (pushes.containsKey(requestId)) {
            cancelledPushes.add(requestId);
        } else {
            cancelledFetches.add(requestId);
        }
    }

    @Override
    public void decline(String requestId, HandoffRole role, String reason) {
        if (role instanceof HandoffRole.Push) {
            refusedPushes.add(requestId + ": " + reason);
        } else {
            declined.add(requestId);
        }
    }

    @Override
    public List<HandoffEvent> poll(long nowNs) {
        var polled = new ArrayList<HandoffEvent>();
        for (HandoffEvent event = events.poll(); event != null; event = events.poll()) {
            polled.add(event);
        }
        return polled;
    }

    @Override
    public long nextDeadlineNs() {
        return Long.MAX_VALUE;
    }

    @Override
    public void close() {
        isClosed = true;
    }
}
