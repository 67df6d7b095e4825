package dev.tandem.engine.handoff;

import dev.tandem.counter.Counters;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One data-parallel replica's part in the prefill/decode exchange: lends blocks on P, fetches them on D, on all of its tensor-parallel
 * ranks at once: one lease with the same virtual ids in every rank's memory, one fetch that ends when the reads of all ranks have. All
 * methods but {@link #start}, {@link #counters} and {@link #close} belong to the engine loop and never block; everything that waits
 * happens on the side-channel poller and the transfer engine of the {@link HandoffRuntime}, which leave events for {@link #poll} and call
 * {@code wakeLoop}.
 */
public final class Handoff implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Handoff.class);

    /** How long closing waits for reads into this replica's pools to come to rest; they have been cancelled. */
    private static final Duration REST_LIMIT = Duration.ofSeconds(60);

    private final HandoffConfig config;
    private final HandoffRuntime hub;
    private final List<KvPool> pools; // [tensor ranks]
    private final String incarnation = HexFormat.of().toHexDigits(new SecureRandom().nextLong());
    private final SideChannelDialect dialect;
    private final LeaseTable ledger;
    private final PullConnector connector;
    private final PushSender sender;
    private final PushReceiver receiver;
    private final List<LeasedRegion> regions = new ArrayList<>(); // of all ranks; none where peers touch nothing
    private final int sideChannelPort;

    private Handoff(HandoffConfig config, List<KvPool> pools, HandoffRuntime hub, Runnable wakeLoop) {
        this.config = config;
        this.hub = hub;
        this.pools = List.copyOf(pools);
        Counters<HandoffCounter> counters = hub.counters();
        RandomGenerator random = new SecureRandom();
        int idCount = Integer.MAX_VALUE;
        for (KvPool pool : pools) {
            idCount = Math.min(idCount, LeasedRegion.idCount(pool.layout()));
        }
        var directory = new LeaseDirectory();
        long leaseNs = config.leaseTimeout().toNanos();
        long quietNs = 2 * Math.max(leaseNs, config.fetchTimeout().toNanos());
        var virtualIds = new VirtualIds(idCount, random.nextInt(idCount), quietNs, directory);
        this.dialect = SideChannelDialect.of(config);
        var doneRule = dialect.doneRule(pools.getFirst().layout(), pools.size());
        this.ledger =
                new LeaseTable(new LeaseTable.Terms(leaseNs, doneRule), virtualIds, directory, counters, wakeLoop);
        this.receiver = new PushReceiver(
                new PushReceiver.Node(config, this.pools, hub.messenger(), incarnation),
                virtualIds,
                directory,
                counters,
                wakeLoop);
        this.connector = new PullConnector(
                new PullConnector.Node(config, this.pools, hub.transfers()::read, counters, wakeLoop),
                hub.channel(),
                hub.book(),
                hub.limits());
        this.sender = new PushSender(
                new PushSender.Node(config, this.pools, hub.transfers()::write, counters, wakeLoop),
                hub.channel(),
                hub.book(),
                hub.limits());
        var terms = new LeasedRegion.LeaseTerms(directory, counters, this::quiesced);
        this.sideChannelPort = config.isHost() ? offer(idCount, terms) : config.sideChannelPort();
    }

    /** Transfer threads. */
    private void quiesced(BlockLease lease) {
        switch (lease.purpose()) {
            case BlockLease.Purpose.Reading reading -> ledger.quiesced(lease);
            case BlockLease.Purpose.Writing writing -> receiver.quiesced(lease);
        }
    }

    /**
     * Binds one side-channel port for each rank, unless peers touch nothing here: a consumer that pulls, a producer that pushes.
     *
     * @param poolsByTpRank of this replica; with equal block size and block count, since a block id means the same in all of them
     * @param hub of the process; closed by who started it, after this
     * @param wakeLoop called from any thread when {@link #poll} has something; must not block
     * @throws EngineException UNAVAILABLE naming host and port when a port cannot be had
     */
    public static Handoff start(
            HandoffConfig config, List<KvPool> poolsByTpRank, HandoffRuntime hub, Runnable wakeLoop) {
        requireAlike(poolsByTpRank);
        if (config.peers() instanceof Peers.FromRankTable ranks && ranks.own().size() != poolsByTpRank.size()) {
            throw new IllegalArgumentException(
                    ranks.own().size() + " devices for " + poolsByTpRank.size() + " tensor ranks");
        }
        Handoff handoff = startQuietly(config, poolsByTpRank, hub, wakeLoop);
        LOG.info(
                "engine={} connector={} peers={} role={} ranks={} side channel {}:{} transfer engine {} incarnation={}",
                config.engineId(),
                config.connector(),
                config.peers() instanceof Peers.FromRankTable ? "rank table" : "tickets",
                config.role(),
                poolsByTpRank.size(),
                hub.sideChannelHost(),
                handoff.sideChannelPort,
                hub.transfers().segmentName(),
                handoff.incarnation);
        return handoff;
    }

    static Handoff startQuietly(HandoffConfig config, List<KvPool> pools, HandoffRuntime hub, Runnable wakeLoop) {
        return new Handoff(config, pools, hub, wakeLoop);
    }

    private static void requireAlike(List<KvPool> pools) {
        if (pools.isEmpty() || pools.size() > HandoffTicket.MAX_TP_SIZE) {
            throw new IllegalArgumentException(pools.size() + " pools");
        }
        KvPool first = pools.getFirst();
        for (KvPool pool : pools) {
            if (pool.blockCount() != first.blockCount()
                    || pool.layout().blockSize() != first.layout().blockSize()) {
                throw new IllegalArgumentException("pools of " + first.blockCount() + " and " + pool.blockCount()
                        + " blocks of " + first.layout().blockSize() + " and "
                        + pool.layout().blockSize() + " tokens in one replica");
            }
        }
    }

    /** Registers the planes of all ranks and answers questions for them; returns the port of rank 0. */
    private int offer(int idCount, LeasedRegion.LeaseTerms terms) {
        var metadata = new ArrayList<PeerMetadata>();
        for (int rank = 0; rank < pools.size(); rank++) {
            KvPool pool = pools.get(rank);
            List<LeasedRegion> planes = LeasedRegion.over(pool, idCount, hub.takeAddresses(), terms);
            regions.addAll(planes);
            metadata.add(new PeerMetadata(
                    config.engineId(),
                    hub.transfers().rpcPort(),
                    planes.stream().map(LeasedRegion::address).toList(),
                    idCount,
                    Optional.of(new PeerMetadata.Details(incarnation, rank, pools.size(), pool.layout()))));
        }
        int port = hub.channel()
                .listen(
                        hub.sideChannelHost(),
                        config.sideChannelPort(),
                        pools.size(),
                        (firstPort, rank) -> new SideChannelServer(
                                metadata.get(rank),
                                new SideChannelServer.Place(hub.host(), firstPort, rank, pools.size()),
                                new SideChannelServer.Books(ledger, receiver),
                                hub.counters(),
                                dialect));
        regions.forEach(hub.transfers()::register); // virtual ids are refused as long as nothing is lent
        return port;
    }

    /** The port that rank 0's side channel listens on: the configured one, or the one taken for 0; those of the other ranks follow. */
    public int sideChannelPort() {
        return sideChannelPort;
    }

    /**
     * P: lends the blocks of a finished prompt until they are released, cancelled or the lease expires; see {@link
     * HandoffEvent.LeaseEnded}.
     *
     * @param blockIds all blocks of the prompt in order
     * @throws EngineException INVALID when the request's blocks are lent already or the role is CONSUMER, OVERLOADED when virtual ids run
     *     out; then nothing was lent
     */
    public HandoffTicket lend(String requestId, int[] blockIds, int lastTokenId, long nowNs) {
        require(Connector.PULL, "a prompt that a decode node will read");
        if (config.role() == Role.CONSUMER) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "kv_role kv_consumer lends nothing: do_remote_decode is for prefill nodes");
        }
        PromptBlocks.requireBlocks(blockIds, pools.getFirst());
        BlockLease lease = ledger.lend(requestId, blockIds, nowNs);
        var virtualIds = new ArrayList<Integer>(blockIds.length);
        for (int id = lease.firstVirtualId(); id < lease.endVirtualId(); id++) {
            virtualIds.add(id);
        }
        return ticket(requestId, virtualIds, lastTokenId);
    }

    /** LLMDataDistCMgrConnector writes the number of ranks as a string, and does not tell the token. */
    private HandoffTicket ticket(String requestId, List<Integer> virtualIds, int lastTokenId) {
        boolean isDataDist = config.peers() instanceof Peers.FromRankTable;
        Map<String, Object> further = Map.of(
                HandoffTicket.REQUEST_ID,
                requestId,
                HandoffTicket.INCARNATION,
                incarnation,
                HandoffTicket.TP_SIZE,
                isDataDist ? Integer.toString(pools.size()) : pools.size());
        return new HandoffTicket(
                config.engineId(), hub.host(), sideChannelPort, virtualIds, isDataDist ? -1 : lastTokenId, further);
    }

    /** P: ends a lease at once; the blocks come back through {@link #poll}. An unknown id is ignored: the lease may just have ended. */
    public void cancelLease(String requestId) {
        ledger.cancel(requestId);
    }

    /**
     * D: reads a prompt's KV into local blocks; ends in {@link HandoffEvent.FetchDone} or {@link HandoffEvent.FetchFailed}.
     *
     * @param cachedTokens leading tokens, a multiple of the block size, whose KV is here already; not read
     * @param localBlockIds all blocks of the prompt in order, cached ones included
     * @throws EngineException INVALID when a request of this id is being fetched or the role is PRODUCER; then nothing was begun
     */
    public void fetch(
            String requestId,
            HandoffTicket ticket,
            int promptTokens,
            int cachedTokens,
            int[] localBlockIds,
            long nowNs) {
        require(Connector.PULL, "a prompt to be read from a prefill node");
        if (config.role() == Role.PRODUCER) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "kv_role kv_producer fetches nothing: do_remote_prefill is for decode nodes");
        }
        new PromptBlocks(requestId, promptTokens, cachedTokens, localBlockIds).requireIn(pools.getFirst());
        var tokens = new TransferPlan.Tokens(Math.min(cachedTokens, promptTokens), promptTokens);
        connector.fetch(new Fetch.Order(requestId, ticket, tokens, boxed(localBlockIds)), nowNs);
    }

    private static List<Integer> boxed(int[] blockIds) {
        var boxed = new ArrayList<Integer>(blockIds.length);
        for (int blockId : blockIds) {
            boxed.add(blockId);
        }
        return boxed;
    }

    private void require(Connector connector, String what) {
        if (config.connector() != connector) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    what + " needs kv_connector "
                            + (connector == Connector.PULL
                                    ? "MooncakeConnector or LLMDataDistCMgrConnector"
                                    : "MooncakeLayerwiseConnector")
                            + "; this node runs the other one");
        }
    }

    /**
     * D: has a prompt's KV pushed into local blocks; ends in {@link HandoffEvent.FetchDone} or {@link HandoffEvent.FetchFailed}. Cached
     * blocks are not lent, and never written.
     *
     * @param draft of the invitation to the prefill node
     * @throws EngineException INVALID when the request's KV is awaited already or the role is PRODUCER, OVERLOADED when virtual ids run
     *     out; then nothing was begun
     */
    public void receive(PromptBlocks prompt, Invitation.Draft draft, long nowNs) {
        require(Connector.LAYERWISE, "a prompt to be pushed here");
        if (config.role() == Role.PRODUCER) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "kv_role kv_producer receives nothing: do_remote_prefill is for decode nodes");
        }
        prompt.requireIn(pools.getFirst());
        receiver.begin(prompt, draft.with(Map.of("remote_host", hub.host(), "remote_port", sideChannelPort)), nowNs);
    }

    /**
     * P: begins to push a prompt that is about to be computed; {@link #stored} says how far it is. Ends in {@link HandoffEvent.PushDone}
     * or {@link HandoffEvent.PushFailed}; the blocks are read until then.
     *
     * @param target the decode node's blocks, the last ones of the prompt
     * @throws EngineException INVALID when a request of this id is being pushed or the role is CONSUMER; then nothing was begun
     */
    public void push(PromptBlocks prompt, HandoffTicket target) {
        require(Connector.LAYERWISE, "a prompt to be pushed to a decode node");
        if (config.role() == Role.CONSUMER) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "kv_role kv_consumer pushes nothing: do_remote_decode is for prefill nodes");
        }
        prompt.requireIn(pools.getFirst());
        sender.begin(new Push.Order(prompt.requestId(), target, prompt.promptTokens(), boxed(prompt.blockIds())));
    }

    /** P, on a rank worker: one layer of the running step lies in that rank's pool. Never blocks. */
    public void stored(List<PushProgress> prompts, int tpRank, int layer) {
        sender.stored(prompts, tpRank, layer);
    }

    /** P: gives a push up and tells the decode node. The blocks are at rest only when its event arrives. An unknown id is ignored. */
    public void cancelPush(String requestId, String reason) {
        sender.cancel(requestId, new TransferException(TransferException.Kind.CANCELLED, reason));
    }

    /** P: tells a decode node that what it waits for will not be computed here. */
    public void refusePush(String requestId, HandoffTicket target, String reason) {
        sender.refuse(requestId, target, reason);
    }

    /** D: gives a fetch or a wait for a push up. Its memory is at rest only when its event arrives. An unknown id is ignored. */
    public void cancelFetch(String requestId) {
        connector.cancel(requestId);
        receiver.cancel(requestId);
    }

    /** D: refuses or does not need the KV; tells P to free it. */
    public void decline(String requestId, HandoffTicket ticket) {
        connector.decline(requestId, ticket);
    }

    /**
     * What happened since the last call; expires leases and fetches whose deadline is at or before {@code nowNs}.
     *
     * @throws EngineException INTERNAL when the side channel or the transfer engine is dead: no event will ever come
     */
    public List<HandoffEvent> poll(long nowNs) {
        hub.requireAlive();
        var events = new ArrayList<HandoffEvent>();
        ledger.poll(nowNs, events);
        connector.poll(nowNs, events);
        receiver.poll(nowNs, events);
        sender.poll(events);
        return events;
    }

    /** When {@link #poll} must be called at the latest, on the clock of {@code nowNs}; Long.MAX_VALUE when nothing waits. */
    public long nextDeadlineNs() {
        long earliest = Long.MAX_VALUE;
        for (long deadlineNs :
                new long[] {ledger.nextDeadlineNs(), connector.nextDeadlineNs(), receiver.nextDeadlineNs()}) {
            if (earliest == Long.MAX_VALUE || (deadlineNs != Long.MAX_VALUE && deadlineNs - earliest < 0)) {
                earliest = deadlineNs;
            }
        }
        return earliest;
    }

    /** Counters of all handoffs of the process; any thread. */
    public Counters<HandoffCounter> counters() {
        return hub.counters();
    }

    /**
     * Ends leases, cancels fetches, tells peers; returns when nothing touches the pools any more. Called when the engine loop has ended.
     *
     * @throws IllegalStateException when transfers of the pools do not come to rest; then the pools must stay
     */
    @Override
    public void close() {
        ledger.cancelAll();
        receiver.cancelAll();
        boolean hasReadAll = connector.close(REST_LIMIT);
        boolean hasWrittenAll = sender.close(REST_LIMIT);
        boolean isAtRest = hasReadAll && hasWrittenAll;
        if (!regions.isEmpty()) {
            hub.channel().stopListening(sideChannelPort, pools.size());
            regions.forEach(hub.transfers()::unregister);
        }
        if (!isAtRest) {
            throw new IllegalStateException("transfers of the KV memory of engine " + config.engineId()
                    + " are not at rest after " + REST_LIMIT);
        }
    }
}
