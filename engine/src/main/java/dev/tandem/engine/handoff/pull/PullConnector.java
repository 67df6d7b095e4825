package dev.tandem.engine.handoff.pull;

import dev.tandem.counter.Counters;
import dev.tandem.engine.execute.LayerListener;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffCounter;
import dev.tandem.engine.handoff.HandoffEvent;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.PromptBlocks;
import dev.tandem.engine.handoff.PushProgress;
import dev.tandem.engine.handoff.lease.BlockLease;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.lease.LeaseTable;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.runtime.InFlightTransfers;
import dev.tandem.engine.handoff.runtime.LentMemory;
import dev.tandem.engine.handoff.runtime.PeerNotices;
import dev.tandem.engine.handoff.sidechannel.RankEndpoint;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage;
import dev.tandem.engine.handoff.sidechannel.SideChannelMessage.DoneReceiving;
import dev.tandem.engine.handoff.zmtp.ZmtpPoller;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.Region.Operation;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * D reads what P has computed: vllm-ascend's MooncakeConnector and LLMDataDistCMgrConnector. P's half is a {@link LeaseTable}: a computed
 * prompt is lent and the client gets a ticket. D's half is a {@link PullFetcher}: it reads by the ticket. One lease holds the same virtual
 * ids in every rank's memory, and one fetch ends when the reads of all ranks have.
 */
public final class PullConnector implements KvConnector {
    /** How long closing waits for reads into this replica's pools to end; they have been cancelled. */
    private static final Duration CLOSE_LIMIT = Duration.ofSeconds(60);

    private final HandoffConfig config;
    private final List<KvPool> pools; // [tensor ranks]
    private final HandoffRuntime runtime;
    private final String incarnation;
    private final LeaseTable leases;
    private final LentMemory memory;
    private final PullFetcher fetcher;
    private final PeerNotices notices;

    private PullConnector(
            HandoffConfig config,
            List<KvPool> pools,
            HandoffRuntime runtime,
            String incarnation,
            LeaseTable leases,
            LentMemory memory,
            PullFetcher fetcher,
            PeerNotices notices) {
        this.config = config;
        this.pools = pools;
        this.runtime = runtime;
        this.incarnation = incarnation;
        this.leases = leases;
        this.memory = memory;
        this.fetcher = fetcher;
        this.notices = notices;
    }

    /**
     * Binds one side-channel port per rank, unless this node only reads.
     *
     * @param pools by tensor rank; with equal block size and block count, since a block id means the same in all of them
     * @param runtime of the process; closed by who started it, after this
     * @param wakeLoop called from any thread when {@link #poll} has something; must not block
     * @throws EngineException UNAVAILABLE naming host and port when a port cannot be bound
     */
    public static PullConnector start(
            HandoffConfig config, List<KvPool> pools, HandoffRuntime runtime, Runnable wakeLoop) {
        Counters<HandoffCounter> counters = runtime.counters();
        String incarnation = runtime.drawIncarnation();
        var dialect = SideChannelDialect.of(config);
        var directory = new LeaseDirectory();
        var leases = new LeaseTable(
                config.leaseTimeout().toNanos(),
                dialect.releaseQuorum(pools.getFirst().layout(), pools.size()),
                runtime.virtualIds(directory),
                directory,
                counters,
                wakeLoop);
        var memory = LentMemory.open(
                config,
                pools,
                runtime,
                directory,
                incarnation,
                leases::quiesced,
                (report, at) -> hear(leases, counters, report, at));
        var reads = new InFlightTransfers(runtime.channel(), Operation.READ, runtime.transfers()::read);
        var notices = new PeerNotices(runtime.channel(), dialect, counters);
        var fetcher = new PullFetcher(
                config,
                List.copyOf(pools),
                runtime.channel(),
                runtime.peers(),
                reads,
                runtime.limits(),
                notices,
                wakeLoop);
        return new PullConnector(config, List.copyOf(pools), runtime, incarnation, leases, memory, fetcher, notices);
    }

    /** Side-channel poller: a decode node has read what it wants. A prefill node that has written something takes this node for another. */
    private static boolean hear(
            LeaseTable leases, Counters<HandoffCounter> counters, SideChannelMessage.Report report, RankEndpoint at) {
        if (report instanceof DoneReceiving done) {
            return leases.done(done.requestId(), at.rank(), at.byRank(done.sendsByPort()), done.lease());
        }
        counters.increment(HandoffCounter.DONE_UNKNOWN);
        return false;
    }

    /** The port that rank 0's side channel listens on; those of the other ranks follow. */
    public int sideChannelPort() {
        return memory.sideChannelPort();
    }

    /** D: reads the prompt's KV into its blocks; cached ones are never written. */
    @Override
    public void start(HandoffRole role, PromptBlocks prompt, long nowNs) {
        if (!(role instanceof HandoffRole.Fetch fetch)) {
            throw new IllegalStateException(
                    "request " + prompt.requestId() + " was admitted as " + role + " to a pull");
        }
        prompt.requireIn(pools.getFirst());
        fetcher.start(fetch.ticket(), prompt, nowNs);
    }

    /** P: lends the prompt's blocks until they are released, cancelled or the lease expires. */
    @Override
    public Optional<HandoffTicket> finish(PromptBlocks prompt, int lastTokenId, long nowNs) {
        prompt.requireIn(pools.getFirst());
        runtime.requireAnswering();
        BlockLease lease = leases.lend(prompt.requestId(), prompt.blockIds(), nowNs);
        return Optional.of(runtime.seal(ticket(prompt, lease, lastTokenId)));
    }

    /** LLMDataDistCMgrConnector writes the number of ranks as a string, and does not tell the token. */
    private HandoffTicket ticket(PromptBlocks prompt, BlockLease lease, int lastTokenId) {
        boolean isDataDist = config.peers() instanceof Peers.FromRankTable;
        Map<String, Object> further = Map.of(
                HandoffTicket.REQUEST_ID,
                prompt.requestId(),
                HandoffTicket.INCARNATION,
                incarnation,
                HandoffTicket.PROMPT,
                prompt.digest(),
                HandoffTicket.TP_SIZE,
                isDataDist ? Integer.toString(pools.size()) : pools.size());
        return new HandoffTicket(
                config.engineId(),
                runtime.host(),
                memory.sideChannelPort(),
                lease.virtualIds(),
                isDataDist ? -1 : lastTokenId,
                further);
    }

    /** Nothing moves while a prompt is computed. */
    @Override
    public LayerListener layerListener(List<PushProgress> prompts) {
        return LayerListener.NONE;
    }

    @Override
    public void cancel(String requestId, String reason) {
        leases.cancel(requestId);
        fetcher.cancel(requestId, reason);
    }

    @Override
    public void decline(String requestId, HandoffRole role, String reason) {
        notices.decline(requestId, role, reason);
    }

    @Override
    public List<HandoffEvent> poll(long nowNs) {
        runtime.requireAlive();
        var events = new ArrayList<HandoffEvent>(0);
        leases.poll(nowNs, events);
        fetcher.poll(nowNs, events);
        return events;
    }

    @Override
    public int underWay() {
        return leases.leases() + fetcher.underWay();
    }

    @Override
    public long nextDeadlineNs() {
        return ZmtpPoller.earlier(leases.nextDeadlineNs(), fetcher.nextDeadlineNs());
    }

    @Override
    public void close() {
        leases.cancelAll();
        boolean isQuiet = fetcher.close(CLOSE_LIMIT);
        memory.close();
        if (!isQuiet) {
            throw new IllegalStateException(
                    "reads into the KV memory of engine " + config.engineId() + " have not ended after " + CLOSE_LIMIT);
        }
    }

    @Override
    public String toString() {
        return "pull " + config.engineId() + " role=" + config.role() + " ranks=" + pools.size() + " side channel "
                + runtime.sideChannelHost() + ":" + sideChannelPort() + " transfer engine "
                + runtime.transfers().segmentName() + " incarnation=" + incarnation + " lease-bits="
                + runtime.addressSpace().bits();
    }
}
