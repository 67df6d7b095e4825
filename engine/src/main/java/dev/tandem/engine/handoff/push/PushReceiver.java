package dev.tandem.engine.handoff.push;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.HandoffEvent.FetchDone;
import dev.tandem.engine.handoff.HandoffEvent.FetchFailed;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.lease.BlockLease;
import dev.tandem.engine.handoff.lease.BlockLease.Purpose.Writing;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.lease.VirtualIds;
import dev.tandem.engine.handoff.plan.KvSums;
import dev.tandem.engine.handoff.plan.TransferPlan;
import dev.tandem.engine.handoff.runtime.Sums;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage;
import dev.tandem.engine.handoff.zmtp.ZmtpPoller;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferException;
import dev.tandem.transfer.TransferException.Kind;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * D's half of the layerwise push: lends a prompt's blocks for writing under fresh virtual ids, invites a prefill node through the
 * metaserver and waits for it to report. Whatever ends the wait (completion, failure, a metaserver's refusal, the deadline, a cancel) ends
 * the lease first, so that later writes are refused, and is reported when no write is open any more: only then may the blocks be used or reused.
 *
 * <p>The prompt is computed while we wait, behind others perhaps, so the wait is as long as the request's. What bounds it from below is that
 * something happens: a wait ends when for the time of a lease nothing was written, or, once the metaserver has said that the prompt is
 * computed, for the time of a transfer. Nobody sits through that for a prefill node's failure or death: its own message or the metaserver's
 * answer tells at once.
 *
 * <p>One done message ends the wait: it speaks for all ranks of a prefill engine of ours and names the lease. v0.11.0rc1's prefill ranks
 * each report completion without naming anything, and lay KV out in a way that we cannot know: such a message fails the request instead of
 * letting it decode from what may be garbage.
 *
 * <p>Owned by the engine loop, except {@link #done} and {@link #failed} (side-channel poller), {@link #quiesced} (transfer threads) and
 * the answers of metaservers, which only post to the queues that the next {@link #poll} empties.
 */
final class PushReceiver {
    private static final Logger LOG = LoggerFactory.getLogger(PushReceiver.class);

    /** A prompt that a prefill node is to write, and how the wait for it ended. */
    private static final class Receipt {
        final BlockLease lease;
        final PromptBlocks prompt;
        final long bytes;
        final long startedNs;
        long silenceNs; // how long nothing may move
        long deadlineNs;
        int movesSeen;

        @Nullable
        HandoffEvent outcome;

        /** Takes the invitation back. */
        Runnable callOff = () -> {};

        /** What the memory must come to, by rank, before the outcome may be believed; empty when nobody says so. */
        List<Integer> sums = List.of();

        Receipt(BlockLease lease, PromptBlocks prompt, long bytes, long nowNs) {
            this.lease = lease;
            this.prompt = prompt;
            this.bytes = bytes;
            this.startedNs = nowNs;
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

    /** What somebody reported on a lease. */
    private sealed interface Report {
        BlockLease lease();

        /** All is written, and comes to these sums. */
        record Done(BlockLease lease, List<Integer> sums) implements Report {}

        /** Nothing more is written. */
        record Failed(BlockLease lease, TransferException cause) implements Report {}

        /** The prompt is computed; what is not written is on its way. */
        record Computed(BlockLease lease) implements Report {}
    }

    private final HandoffConfig config;
    private final List<KvPool> pools; // where KV goes, by tensor rank
    private final Invitation.Messenger messenger;
    private final String incarnation;
    private final VirtualIds virtualIds;
    private final int writers; // hosts that may write into one lease
    private final LeaseDirectory directory;
    private final Counters<HandoffCounter> counters;
    private final Sums sums;
    private final Runnable wakeLoop;

    /** By request. */
    private final LinkedHashMap<String, Receipt> waiting = new LinkedHashMap<>();

    /** Ended, but a write is still open, or the engine loop has not been told yet. */
    private final Map<BlockLease, Receipt> ending = new LinkedHashMap<>();

    private long nextCheckNs = Long.MAX_VALUE; // no wait is overdue before

    private final Queue<Report> reports = new ConcurrentLinkedQueue<>(); // a few per lease
    private final Queue<BlockLease> quiet = new ConcurrentLinkedQueue<>(); // at most one entry per lease
    private final Queue<HandoffEvent> verified = new ConcurrentLinkedQueue<>(); // at most one per lease

    /**
     * @param messenger carries invitations
     * @param incarnation which life of this replica it is
     * @param wakeLoop called when {@link #poll} has something
     */
    PushReceiver(
            HandoffConfig config,
            List<KvPool> pools,
            Invitation.Messenger messenger,
            String incarnation,
            VirtualIds virtualIds,
            Counters<HandoffCounter> counters,
            Sums sums,
            Runnable wakeLoop) {
        this.config = config;
        this.pools = pools;
        this.messenger = messenger;
        this.incarnation = incarnation;
        this.virtualIds = virtualIds;
        this.writers = switch (config.peers()) {
            case Peers.FromTicket ticket -> ticket.tpSize() + 1; // a host each, of which one has two addresses
            case Peers.FromRankTable table -> throw new IllegalArgumentException("a push by a rank table");
        };
        this.directory = virtualIds.directory();
        this.counters = counters;
        this.sums = sums;
        this.wakeLoop = wakeLoop;
    }

    /**
     * Lends the blocks behind the cached ones and sends the invitation.
     *
     * @param metaserver an allowed URL: whoever is invited there learns where to write
     * @param host that the prefill node finds this node's side channel at
     * @param port of tensor rank 0's side channel
     * @throws EngineException INVALID when the request is awaited already, OVERLOADED when virtual ids run out; then nothing was begun
     */
    void start(String metaserver, PromptBlocks prompt, String host, int port, long nowNs) {
        if (waiting.containsKey(prompt.requestId()) || directory.ofRequest(prompt.requestId()) != null) {
            throw EngineException.inUse(prompt.requestId(), "its KV is awaited");
        }
        int blockSize = pools.getFirst().layout().blockSize();
        int cachedBlocks = prompt.cachedTokens() / blockSize;
        int promptBlocks = Math.ceilDiv(prompt.promptTokens(), blockSize);
        int[] blocks = Arrays.copyOfRange(prompt.blockIds(), cachedBlocks, promptBlocks);
        long first = virtualIds.take(blocks.length);
        var lease = new BlockLease(
                prompt.requestId(), first, blocks, nowNs + config.leaseTimeout().toNanos(), new Writing(writers));
        long tokenBytes = 0;
        for (KvPool pool : pools) {
            tokenBytes += pool.layout().tokenBytes();
        }
        long bytes = tokenBytes * (prompt.promptTokens() - prompt.cachedTokens());
        var receipt = new Receipt(lease, prompt, bytes, nowNs);
        waiting.put(prompt.requestId(), receipt);
        nextCheckNs = ZmtpPoller.earlier(nextCheckNs, lease.deadlineNs());
        directory.add(lease); // from here on a late writer is told from one that may write
        counters.increment(HandoffCounter.INVITATIONS_SENT);
        Map<String, Object> params = params(prompt, lease);
        params.put("remote_host", host);
        params.put("remote_port", port);
        var invitation = new Invitation(metaserver, params, Duration.ofNanos(Math.max(1, prompt.deadlineNs() - nowNs)));
        receipt.callOff = messenger.send(invitation, refusal -> answered(lease, metaserver, refusal));
        LOG.debug("request={} lease={} blocks={} lent for writing", prompt.requestId(), first, blocks.length);
    }

    private Map<String, Object> params(PromptBlocks prompt, BlockLease lease) {
        var params = new LinkedHashMap<String, Object>();
        params.put("request_id", prompt.requestId());
        params.put("do_remote_prefill", false);
        params.put("do_remote_decode", true);
        params.put("token_ids", List.of());
        params.put("remote_block_ids", HandoffTicket.plain(lease.virtualIds()));
        params.put("remote_engine_id", config.engineId());
        params.put("remote_block_size", List.of(pools.getFirst().layout().blockSize()));
        params.put(HandoffTicket.TP_SIZE, pools.size());
        params.put("remote_pcp_size", 1);
        params.put("remote_dcp_size", 1);
        params.put("remote_cached_tokens", prompt.cachedTokens());
        params.put(HandoffTicket.REQUEST_ID, prompt.requestId());
        params.put(HandoffTicket.INCARNATION, incarnation);
        params.put(HandoffTicket.PROMPT, prompt.digest());
        return params;
    }

    /** Gives a wait up; its event comes when no write is open any more. An unknown id is ignored. */
    void cancel(String requestId, String reason) {
        Receipt receipt = waiting.get(requestId);
        if (receipt != null) {
            end(receipt, failed(requestId, new TransferException(Kind.CANCELLED, "the wait was cancelled: " + reason)));
        }
    }

    /** Ends what is overdue or was reported on, and tells what has no open write any more. */
    void poll(long nowNs, List<HandoffEvent> events) {
        for (Report report = reports.poll(); report != null; report = reports.poll()) {
            Receipt receipt = waiting.get(report.lease().requestId());
            if (receipt != null && receipt.lease.equals(report.lease())) {
                settle(receipt, report, nowNs);
            }
        }
        expire(nowNs);
        for (BlockLease lease = quiet.poll(); lease != null; lease = quiet.poll()) {
            Receipt receipt = ending.remove(lease);
            HandoffEvent outcome = receipt == null ? null : receipt.outcome;
            if (receipt == null || outcome == null) {
                throw new IllegalStateException("lease " + lease.firstVirtualId() + " ended twice");
            }
            if (outcome instanceof FetchDone done) {
                verify(receipt, done);
            } else {
                events.add(outcome);
            }
        }
        for (HandoffEvent event = verified.poll(); event != null; event = verified.poll()) {
            events.add(event);
        }
    }

    /** Nobody writes into the blocks any more: what is in them must be what the prefill node had. */
    private void verify(Receipt receipt, FetchDone done) {
        if (receipt.sums.isEmpty()) {
            counters.increment(HandoffCounter.PUSHES_UNSUMMED);
            verified.add(done);
            return;
        }
        PromptBlocks prompt = receipt.prompt;
        var tokens = new TransferPlan.Tokens(prompt.cachedTokens(), prompt.promptTokens());
        var outcome = new Sums.Outcome<List<Integer>>() {
            @Override
            public void summed(List<Integer> found) {
                verified.add(found.equals(receipt.sums) ? done : corrupt(done.requestId(), receipt.sums, found));
                wakeLoop.run();
            }

            @Override
            public void failed(RuntimeException cause) {
                String message = "the KV could not be summed: " + cause;
                verified.add(
                        PushReceiver.failed(done.requestId(), new TransferException(Kind.CORRUPT, message, cause)));
                wakeLoop.run();
            }
        };
        if (!sums.offer(() -> KvSums.of(pools, prompt.blockIds(), tokens), outcome)) {
            String message = "too many prompts wait to be summed";
            verified.add(failed(done.requestId(), new TransferException(Kind.OVERLOADED, message)));
        }
    }

    private HandoffEvent corrupt(String requestId, List<Integer> expected, List<Integer> found) {
        counters.increment(HandoffCounter.PUSHES_CORRUPT);
        String message = "what lies in memory is not what the prefill node wrote: sums by rank are " + found + ", not "
                + expected;
        return failed(requestId, new TransferException(Kind.CORRUPT, message));
    }

    /** Ends waits in which nothing moves; looks at them only when one may be overdue. */
    private void expire(long nowNs) {
        if (nextCheckNs == Long.MAX_VALUE || nextCheckNs - nowNs > 0) {
            return;
        }
        for (Receipt receipt : List.copyOf(waiting.values())) {
            if (receipt.isOverdue(nowNs)) {
                String message = "nothing of the KV was pushed for " + receipt.silenceNs / 1_000_000 + " ms";
                end(receipt, failed(receipt.lease.requestId(), new TransferException(Kind.TIMED_OUT, message)));
            }
        }
        nextCheckNs = nextDeadlineNs();
    }

    private void settle(Receipt receipt, Report report, long nowNs) {
        String requestId = receipt.lease.requestId();
        switch (report) {
            case Report.Done done -> {
                receipt.sums = done.sums();
                end(receipt, new FetchDone(requestId, receipt.bytes, nowNs - receipt.startedNs));
            }
            case Report.Failed failed -> end(receipt, failed(requestId, failed.cause()));
            case Report.Computed computed -> {
                receipt.silenceNs = config.fetchTimeout().toNanos();
                receipt.movesSeen = receipt.lease.moves();
                receipt.deadlineNs = nowNs + receipt.silenceNs;
                nextCheckNs = ZmtpPoller.earlier(nextCheckNs, receipt.deadlineNs);
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
        if (!(outcome instanceof FetchDone)) { // else the metaserver's answer is about to come
            receipt.callOff.run();
        }
        if (receipt.lease.end()) {
            quiet.add(receipt.lease);
            wakeLoop.run();
        }
    }

    /** Prompts that are awaited, or whose wait has ended and its event has not been polled. */
    int underWay() {
        return waiting.size() + ending.size();
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
        List.copyOf(waiting.keySet()).forEach(requestId -> cancel(requestId, "this node is closing"));
    }

    // ---- side-channel poller

    /**
     * A peer reports. A decode node that has read something takes this node for one that lends for reading.
     *
     * @return whether anybody waits for that
     */
    boolean hear(SideChannelMessage.Report report) {
        return switch (report) {
            case SideChannelMessage.DoneSending done -> done(done.requestId(), done.lease(), done.sums());
            case SideChannelMessage.FailedSending failed -> failed(failed.requestId(), failed.lease(), failed.reason());
            case SideChannelMessage.DoneReceiving done -> {
                counters.increment(HandoffCounter.DONE_UNKNOWN);
                yield false;
            }
        };
    }

    /**
     * The prefill node has written all.
     *
     * @param leaseId as the message names it; empty in a foreign node's
     * @param sums by rank; empty where the message has none
     * @return whether anybody waits for it
     */
    boolean done(String requestId, OptionalLong leaseId, List<Integer> sums) {
        if (leaseId.isPresent()) {
            return post(requestId, leaseId, lease -> new Report.Done(lease, sums));
        }
        var cause = new TransferException(
                Kind.REJECTED, "the prefill node does not tell how it lays KV out, so what it wrote cannot be used");
        boolean isAwaited = post(requestId, leaseId, lease -> new Report.Failed(lease, cause));
        if (isAwaited) {
            counters.increment(HandoffCounter.PUSHES_FOREIGN);
        }
        return isAwaited;
    }

    /** The prefill node has given up. @return whether anybody waits for it */
    boolean failed(String requestId, OptionalLong leaseId, String reason) {
        var cause = new TransferException(Kind.PEER_GONE, "the prefill node gave up: " + reason);
        return post(requestId, leaseId, lease -> new Report.Failed(lease, cause));
    }

    private boolean post(String requestId, OptionalLong leaseId, Function<BlockLease, Report> report) {
        BlockLease lease = directory.ofRequest(requestId);
        boolean isAwaited = lease != null
                && lease.purpose() instanceof Writing
                && (leaseId.isEmpty() || leaseId.getAsLong() == lease.firstVirtualId());
        if (!isAwaited || lease == null) {
            counters.increment(HandoffCounter.DONE_UNKNOWN);
            return false;
        }
        counters.increment(HandoffCounter.DONE_RECEIVED);
        reports.add(report.apply(lease));
        wakeLoop.run();
        return true;
    }

    // ---- any thread

    private void answered(BlockLease lease, String metaserver, Optional<String> refusal) {
        if (refusal.isPresent()) {
            counters.increment(HandoffCounter.INVITATIONS_FAILED);
            String message = "metaserver " + metaserver + ": " + refusal.get();
            reports.add(new Report.Failed(lease, new TransferException(Kind.PEER_GONE, message)));
        } else {
            reports.add(new Report.Computed(lease));
        }
        wakeLoop.run();
    }

    /** The last write into the blocks of an ended lease was closed. Transfer threads. */
    void quiesced(BlockLease lease) {
        quiet.add(lease);
        wakeLoop.run();
    }
}
