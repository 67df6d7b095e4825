package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.BlockLease.Purpose.Writing;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * D's half of the layerwise push: lends a prompt's blocks for writing under fresh virtual ids, invites a prefill node through the
 * metaserver and waits for its word. Whatever ends the wait (done, failure, a metaserver's refusal, the deadline, a cancel) ends the lease
 * first, so that later writes are refused, and is reported when no write is open any more: only then may the blocks be used or reused.
 *
 * <p>The prompt is computed while we wait, behind others perhaps, so the wait is as long as the request's. What bounds it from below is that
 * something happens: a wait ends when for the time of a lease nothing was written, or, once the metaserver has said that the prompt is
 * computed, for the time of a transfer. Nobody sits through that for a prefill node's failure or death: its own message or the metaserver's
 * answer tells at once.
 *
 * <p>One done message ends the wait: it speaks for all ranks of a prefill engine of ours and names the lease. v0.11.0rc1's prefill ranks
 * each say done without naming anything, and lay KV out as we cannot know: such a message fails the request instead of letting it decode
 * from what may be garbage.
 *
 * <p>Owned by the engine loop, except {@link #done} and {@link #failed} (side-channel poller), {@link #quiesced} (transfer threads) and
 * the answers of metaservers, which only post to the queues that the next {@link #poll} empties.
 */
final class PushReceiver {
    private static final Logger LOG = LoggerFactory.getLogger(PushReceiver.class);

    /**
     * What a receiver needs of its node.
     *
     * @param config of this replica
     * @param pools where KV goes, by tensor rank
     * @param messenger carries invitations
     * @param incarnation of this replica
     */
    record Node(HandoffConfig config, List<KvPool> pools, Invitation.Messenger messenger, String incarnation) {}

    /** A prompt that a prefill node is to write, and how the wait for it ended. */
    private static final class Receipt {
        final BlockLease lease;
        final long bytes;
        final long startedNs = System.nanoTime();
        long silenceNs; // how long nothing may move
        long deadlineNs;
        int movesSeen;

        @Nullable
        HandoffEvent outcome;

        Receipt(BlockLease lease, long bytes, long nowNs) {
            this.lease = lease;
            this.bytes = bytes;
            this.silenceNs = lease.deadlineNs() - nowNs;
            this.deadlineNs = lease.deadlineNs();
        }

        /** Whether nothing has moved up to the deadline; when something has, there is a new deadline. */
        boolean isOverdue(long nowNs) {
            if (deadlineNs - nowNs > 0) {
                return false;
            }
            int moves = lease.moves();
            if (moves == movesSeen) {
                return true;
            }
            movesSeen = moves;
            deadlineNs = nowNs + silenceNs;
            return false;
        }
    }

    /** Somebody's word on a lease. */
    private sealed interface Word {
        BlockLease lease();

        /** All is written. */
        record Done(BlockLease lease) implements Word {}

        /** Nothing more is written. */
        record Failed(BlockLease lease, TransferException cause) implements Word {}

        /** The prompt is computed; what is not written is on its way. */
        record Computed(BlockLease lease) implements Word {}
    }

    private final Node node;
    private final VirtualIds virtualIds;
    private final LeaseDirectory directory;
    private final Counters<HandoffCounter> counters;
    private final Runnable wakeLoop;

    /** By request. */
    private final LinkedHashMap<String, Receipt> waiting = new LinkedHashMap<>();

    /** Ended, but not at rest, or not yet told. */
    private final Map<BlockLease, Receipt> ending = new LinkedHashMap<>();

    private final Queue<Word> words = new ConcurrentLinkedQueue<>(); // a few a lease
    private final Queue<BlockLease> rested = new ConcurrentLinkedQueue<>(); // at most one entry a lease

    PushReceiver(
            Node node,
            VirtualIds virtualIds,
            LeaseDirectory directory,
            Counters<HandoffCounter> counters,
            Runnable wakeLoop) {
        this.node = node;
        this.virtualIds = virtualIds;
        this.directory = directory;
        this.counters = counters;
        this.wakeLoop = wakeLoop;
    }

    /**
     * Lends the blocks behind the cached ones and sends the invitation.
     *
     * @param draft of the invitation; where the side channel is stands in it
     * @throws EngineException INVALID when the request is awaited already, OVERLOADED when virtual ids run out; then nothing was begun
     */
    void begin(PromptBlocks prompt, Invitation.Draft draft, long nowNs) {
        if (waiting.containsKey(prompt.requestId()) || directory.ofRequest(prompt.requestId()) != null) {
            throw new EngineException(
                    EngineException.Kind.INVALID, "request id " + prompt.requestId() + " is in use: its KV is awaited");
        }
        int blockSize = node.pools().getFirst().layout().blockSize();
        int cachedBlocks = prompt.cachedTokens() / blockSize;
        int promptBlocks = Math.ceilDiv(prompt.promptTokens(), blockSize);
        int[] blocks = Arrays.copyOfRange(prompt.blockIds(), cachedBlocks, promptBlocks);
        int first = virtualIds.take(blocks.length, nowNs);
        long silenceNs = node.config().leaseTimeout().toNanos();
        var lease = new BlockLease(prompt.requestId(), first, blocks, nowNs + silenceNs, new Writing());
        long tokenBytes = 0;
        for (KvPool pool : node.pools()) {
            tokenBytes += pool.layout().tokenBytes();
        }
        long bytes = tokenBytes * (prompt.promptTokens() - prompt.cachedTokens());
        waiting.put(prompt.requestId(), new Receipt(lease, bytes, nowNs));
        directory.add(lease); // from here on a late writer is told from one that may write
        counters.increment(HandoffCounter.INVITATIONS_SENT);
        var invitation = new Invitation(
                draft.metaserver(),
                params(prompt, lease, draft.further()),
                Duration.ofNanos(Math.max(1, draft.deadlineNs() - nowNs)));
        node.messenger().send(invitation, refusal -> answered(lease, draft.metaserver(), refusal));
        LOG.debug("request={} lease={} blocks={} lent for writing", prompt.requestId(), first, blocks.length);
    }

    private Map<String, Object> params(PromptBlocks prompt, BlockLease lease, Map<String, Object> further) {
        var ids = new ArrayList<Integer>();
        for (int id = lease.firstVirtualId(); id < lease.endVirtualId(); id++) {
            ids.add(id);
        }
        var params = new LinkedHashMap<String, Object>();
        params.put("request_id", prompt.requestId());
        params.put("do_remote_prefill", false);
        params.put("do_remote_decode", true);
        params.put("token_ids", List.of());
        params.put("remote_block_ids", ids);
        params.put("remote_engine_id", node.config().engineId());
        params.put("remote_block_size", List.of(node.pools().getFirst().layout().blockSize()));
        params.put(HandoffTicket.TP_SIZE, node.pools().size());
        params.put("remote_pcp_size", 1);
        params.put("remote_dcp_size", 1);
        params.put("remote_cached_tokens", prompt.cachedTokens());
        params.put(HandoffTicket.REQUEST_ID, prompt.requestId());
        params.put(HandoffTicket.INCARNATION, node.incarnation());
        params.putAll(further);
        return params;
    }

    /** Gives a wait up; its event comes when the blocks are at rest. An unknown id is ignored. */
    void cancel(String requestId) {
        Receipt receipt = waiting.get(requestId);
        if (receipt != null) {
            end(receipt, failed(requestId, new TransferException(Kind.CANCELLED, "the wait was cancelled")));
        }
    }

    /** Ends what is overdue or was answered, and reports what is at rest. */
    void poll(long nowNs, List<HandoffEvent> events) {
        for (Word word = words.poll(); word != null; word = words.poll()) {
            Receipt receipt = waiting.get(word.lease().requestId());
            if (receipt != null && receipt.lease.equals(word.lease())) {
                hear(receipt, word, nowNs);
            }
        }
        for (Receipt receipt : List.copyOf(waiting.values())) {
            if (receipt.isOverdue(nowNs)) {
                String message = "nothing of the KV was pushed for " + receipt.silenceNs / 1_000_000 + " ms";
                end(receipt, failed(receipt.lease.requestId(), new TransferException(Kind.TIMED_OUT, message)));
            }
        }
        for (BlockLease lease = rested.poll(); lease != null; lease = rested.poll()) {
            Receipt receipt = ending.remove(lease);
            HandoffEvent outcome = receipt == null ? null : receipt.outcome;
            if (outcome == null) {
                throw new IllegalStateException("lease " + lease.firstVirtualId() + " came to rest twice");
            }
            virtualIds.rest(lease.firstVirtualId(), lease.endVirtualId(), nowNs);
            events.add(outcome);
        }
    }

    private void hear(Receipt receipt, Word word, long nowNs) {
        String requestId = receipt.lease.requestId();
        switch (word) {
            case Word.Done done ->
                end(receipt, new FetchDone(requestId, receipt.bytes, System.nanoTime() - receipt.startedNs));
            case Word.Failed failed -> end(receipt, failed(requestId, failed.cause()));
            case Word.Computed computed -> {
                receipt.silenceNs = node.config().fetchTimeout().toNanos();
                receipt.movesSeen = receipt.lease.moves();
                receipt.deadlineNs = nowNs + receipt.silenceNs;
            }
        }
    }

    private static HandoffEvent failed(String requestId, TransferException cause) {
        if (cause.kind() != Kind.CANCELLED) {
            LOG.warn("request={} KV not received: {}: {}", requestId, cause.kind(), cause.getMessage());
        }
        return new FetchFailed(requestId, cause);
    }

    private void end(Receipt receipt, HandoffEvent outcome) {
        waiting.remove(receipt.lease.requestId());
        directory.remove(receipt.lease);
        receipt.outcome = outcome;
        ending.put(receipt.lease, receipt);
        if (receipt.lease.end()) {
            rested.add(receipt.lease);
            wakeLoop.run();
        }
    }

    /** The earliest deadline of a wait, else Long.MAX_VALUE. */
    long nextDeadlineNs() {
        boolean isFirst = true;
        long earliestNs = Long.MAX_VALUE;
        for (Receipt receipt : waiting.values()) {
            earliestNs = isFirst || receipt.deadlineNs - earliestNs < 0 ? receipt.deadlineNs : earliestNs;
            isFirst = false;
        }
        return earliestNs;
    }

    /** Ends all waits. */
    void cancelAll() {
        List.copyOf(waiting.keySet()).forEach(this::cancel);
    }

    // ---- side-channel poller

    /**
     * The prefill node has written all.
     *
     * @param leaseId as the message names it; empty in a foreign node's
     * @return whether anybody waits for it
     */
    boolean done(String requestId, OptionalInt leaseId) {
        if (leaseId.isPresent()) {
            return post(requestId, leaseId, null);
        }
        boolean isAwaited = post(
                requestId,
                leaseId,
                new TransferException(
                        Kind.REJECTED,
                        "the prefill node does not tell how it lays KV out, so what it wrote cannot be used"));
        if (isAwaited) {
            counters.increment(HandoffCounter.PUSHES_FOREIGN);
        }
        return isAwaited;
    }

    /** The prefill node has given up. @return whether anybody waits for it */
    boolean failed(String requestId, OptionalInt leaseId, String reason) {
        return post(requestId, leaseId, new TransferException(Kind.PEER_GONE, "the prefill node gave up: " + reason));
    }

    private boolean post(String requestId, OptionalInt leaseId, @Nullable TransferException cause) {
        BlockLease lease = directory.ofRequest(requestId);
        boolean isAwaited = lease != null
                && lease.purpose() instanceof Writing
                && (leaseId.isEmpty() || leaseId.getAsInt() == lease.firstVirtualId());
        if (!isAwaited || lease == null) {
            counters.increment(HandoffCounter.DONE_UNKNOWN);
            return false;
        }
        counters.increment(HandoffCounter.DONE_RECEIVED);
        words.add(cause == null ? new Word.Done(lease) : new Word.Failed(lease, cause));
        wakeLoop.run();
        return true;
    }

    // ---- any thread

    private void answered(BlockLease lease, String metaserver, Optional<String> refusal) {
        if (refusal.isPresent()) {
            counters.increment(HandoffCounter.INVITATIONS_FAILED);
            String message = "metaserver " + metaserver + ": " + refusal.get();
            words.add(new Word.Failed(lease, new TransferException(Kind.PEER_GONE, message)));
        } else {
            words.add(new Word.Computed(lease));
        }
        wakeLoop.run();
    }

    /** The last write into the blocks of an ended lease was closed. Transfer threads. */
    void quiesced(BlockLease lease) {
        rested.add(lease);
        wakeLoop.run();
    }
}
