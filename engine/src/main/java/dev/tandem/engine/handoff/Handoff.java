package dev.tandem.engine.handoff;

import dev.tandem.engine.handoff.HandoffConfig.Role;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.TransferEngine;
import java.io.UncheckedIOException;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One rank's part in the prefill/decode exchange: lends blocks on P, fetches them on D. All methods but {@link #start}, {@link
 * #counters} and {@link #close} belong to the engine loop and never block; everything that waits happens on the side-channel poller
 * and the transfer engine, which leave events for {@link #poll} and call {@code wakeLoop}.
 */
public final class Handoff implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Handoff.class);

    /** First plane addresses are drawn from here on, so that no two lives of a node share one. */
    private static final long LEAST_ADDRESS = 1L << 44;

    private static final long ADDRESS_SPREAD = 1L << 60;

    private final HandoffConfig config;
    private final KvPool pool;
    private final HandoffCounters counters = new HandoffCounters();
    private final String incarnation = HexFormat.of().toHexDigits(new SecureRandom().nextLong());
    private final TransferEngine transfers;
    private final SideChannel channel;
    private final HandoffLedger ledger;
    private final PullConnector connector;
    private final int sideChannelPort;

    private Handoff(HandoffConfig config, KvPool pool, Runnable wakeLoop, HandoffLimits limits) {
        this.config = config;
        this.pool = pool;
        RandomGenerator random = new SecureRandom();
        int idCount = LeasedRegion.idCount(pool.layout());
        var directory = new LeaseDirectory();
        long leaseNs = config.leaseTimeout().toNanos();
        var virtualIds = new VirtualIds(idCount, random.nextInt(idCount), 2 * leaseNs, directory);
        this.ledger = new HandoffLedger(leaseNs, virtualIds, directory, counters, wakeLoop);
        this.transfers = startTransfers(config.host(), limits);
        this.channel = SideChannel.start(limits, counters);
        this.connector = new PullConnector(
                new PullConnector.Node(config.engineId(), config.fetchTimeout(), pool, transfers::read, wakeLoop),
                channel,
                limits,
                counters);
        var terms = new LeasedRegion.LeaseTerms(directory, counters, ledger::cameToRest);
        long firstAddress = LEAST_ADDRESS + random.nextLong(ADDRESS_SPREAD);
        this.sideChannelPort = config.role() == Role.CONSUMER
                ? config.sideChannelPort()
                : offer(LeasedRegion.over(pool, idCount, firstAddress, terms), idCount);
    }

    /**
     * Binds the side channel (unless the role is CONSUMER) and the transfer engine.
     *
     * @param wakeLoop called from any thread when {@link #poll} has something; must not block
     * @throws EngineException UNAVAILABLE naming host and port when a port cannot be had
     */
    public static Handoff start(HandoffConfig config, KvPool pool, Runnable wakeLoop) {
        return start(config, pool, wakeLoop, HandoffLimits.standard());
    }

    static Handoff start(HandoffConfig config, KvPool pool, Runnable wakeLoop, HandoffLimits limits) {
        var handoff = new Handoff(config, pool, wakeLoop, limits);
        log.info(
                "engine={} role={} side channel {}:{} transfer engine {} incarnation={}",
                config.engineId(),
                config.role(),
                config.host(),
                handoff.sideChannelPort,
                handoff.transfers.segmentName(),
                handoff.incarnation);
        return handoff;
    }

    private static TransferEngine startTransfers(String host, HandoffLimits limits) {
        try {
            return TransferEngine.start(limits.transferConfig(host));
        } catch (UncheckedIOException | IllegalArgumentException e) {
            throw new EngineException(
                    EngineException.Kind.UNAVAILABLE, "no transfer engine on " + host + ": " + e.getMessage(), e);
        }
    }

    /** Registers the planes and answers questions for them; returns the port. */
    private int offer(List<LeasedRegion> regions, int idCount) {
        try {
            var addresses = new ArrayList<Long>();
            for (LeasedRegion region : regions) {
                transfers.register(region);
                addresses.add(region.address());
            }
            var metadata = new PeerMetadata(
                    config.engineId(),
                    transfers.rpcPort(),
                    addresses,
                    idCount,
                    Optional.of(new PeerMetadata.Details(incarnation, pool.layout())));
            return channel.listen(
                    config.host(),
                    config.sideChannelPort(),
                    port -> new PrefillService(metadata, config.host(), port, ledger, counters));
        } catch (RuntimeException e) {
            channel.close();
            transfers.close();
            throw e;
        }
    }

    /** The port that the side channel listens on: the configured one, or the one taken for 0. */
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
        if (config.role() == Role.CONSUMER) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "kv_role kv_consumer lends nothing: do_remote_decode is for prefill nodes");
        }
        requirePoolBlocks(blockIds);
        BlockLease lease = ledger.lend(requestId, blockIds, nowNs);
        var virtualIds = new ArrayList<Integer>(blockIds.length);
        for (int id = lease.firstVirtualId(); id < lease.endVirtualId(); id++) {
            virtualIds.add(id);
        }
        Map<String, Object> further =
                Map.of(HandoffTicket.REQUEST_ID, requestId, HandoffTicket.INCARNATION, incarnation);
        return new HandoffTicket(config.engineId(), config.host(), sideChannelPort, virtualIds, lastTokenId, further);
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
        if (config.role() == Role.PRODUCER) {
            throw new EngineException(
                    EngineException.Kind.INVALID,
                    "kv_role kv_producer fetches nothing: do_remote_prefill is for decode nodes");
        }
        requirePoolBlocks(localBlockIds);
        int blockSize = pool.layout().blockSize();
        if (promptTokens < 1 || cachedTokens < 0 || cachedTokens % blockSize != 0) {
            throw new IllegalArgumentException(
                    cachedTokens + " cached of " + promptTokens + " prompt tokens in blocks of " + blockSize);
        }
        if (localBlockIds.length < pool.layout().blocksFor(promptTokens)) {
            throw new IllegalArgumentException(localBlockIds.length + " blocks for " + promptTokens + " tokens");
        }
        var blockIds = new ArrayList<Integer>(localBlockIds.length);
        for (int blockId : localBlockIds) {
            blockIds.add(blockId);
        }
        var tokens = new TransferPlan.Tokens(Math.min(cachedTokens, promptTokens), promptTokens);
        connector.fetch(new Fetch.Order(requestId, ticket, tokens, blockIds), nowNs);
    }

    private void requirePoolBlocks(int[] blockIds) {
        for (int blockId : blockIds) {
            if (blockId < 0 || blockId >= pool.blockCount()) {
                throw new IllegalArgumentException("block " + blockId + " of " + pool.blockCount());
            }
        }
    }

    /** D: gives a fetch up. Its memory is at rest only when its event arrives. An unknown id is ignored. */
    public void cancelFetch(String requestId) {
        connector.cancel(requestId);
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
        Optional<Throwable> failure = channel.failure();
        if (failure.isPresent()) {
            throw new EngineException(EngineException.Kind.INTERNAL, "the side channel is dead", failure.get());
        }
        if (!transfers.isRunning()) {
            throw new EngineException(EngineException.Kind.INTERNAL, "the transfer engine is dead");
        }
        var events = new ArrayList<HandoffEvent>();
        ledger.poll(nowNs, events);
        connector.poll(nowNs, events);
        return events;
    }

    /** When {@link #poll} must be called at the latest, on the clock of {@code nowNs}; Long.MAX_VALUE when nothing waits. */
    public long nextDeadlineNs() {
        long lease = ledger.nextDeadlineNs();
        long fetch = connector.nextDeadlineNs();
        if (lease == Long.MAX_VALUE || fetch == Long.MAX_VALUE) {
            return Math.min(lease, fetch);
        }
        return lease - fetch < 0 ? lease : fetch;
    }

    /** Counters of the handoff; any thread. */
    public Map<HandoffCounter, Long> counters() {
        return counters.snapshot();
    }

    /** Counters of the transfer engine; any thread. */
    public List<TransferEngine.CounterReading> transferCounters() {
        return transfers.counters();
    }

    /**
     * Ends leases, cancels fetches, tells peers, closes sockets; returns when nothing touches the pool any more. Called when the engine
     * loop has ended.
     */
    @Override
    public void close() {
        ledger.cancelAll();
        connector.cancelAll();
        transfers.close();
        channel.close();
    }
}
