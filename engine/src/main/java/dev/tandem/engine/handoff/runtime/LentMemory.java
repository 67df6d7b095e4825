package dev.tandem.engine.handoff.runtime;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.lease.AddressSpace;
import dev.tandem.engine.handoff.lease.BlockLease;
import dev.tandem.engine.handoff.lease.LeaseDirectory;
import dev.tandem.engine.handoff.lease.LeasedRegion;
import dev.tandem.engine.handoff.plan.PeerMetadata;
import dev.tandem.engine.handoff.sidechannel.RankEndpoint;
import dev.tandem.engine.handoff.sidechannel.SideChannelDialect;
import dev.tandem.engine.handoff.sidechannel.SideChannelServer;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.kv.KvPool;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The memory of one replica as peers see it: a leased region per plane and rank, and a side-channel port per rank that tells where they
 * lie. Of an engine whose memory no peer touches (a consumer that pulls, a producer that pushes) there is neither. Opened and closed by its
 * connector.
 */
public final class LentMemory implements AutoCloseable {
    private final HandoffRuntime runtime;
    private final int ranks;
    private final List<LeasedRegion> regions; // of all ranks; none where peers touch nothing
    private final int sideChannelPort;

    private LentMemory(HandoffRuntime runtime, int ranks, List<LeasedRegion> regions, int sideChannelPort) {
        this.runtime = runtime;
        this.ranks = ranks;
        this.regions = regions;
        this.sideChannelPort = sideChannelPort;
    }

    /**
     * Binds the side channel of each rank and registers its planes. Virtual ids are refused as long as nothing is lent.
     *
     * @param pools by tensor rank; with equal block size and block count, since a block id means the same in all of them
     * @param directory of the leases that let peers in
     * @param incarnation which life of the replica this is
     * @param quiesced called by the thread that closed the last access of an ended lease
     * @param reports hears what peers report to any rank
     * @throws EngineException UNAVAILABLE naming host and port when a port cannot be bound
     */
    public static LentMemory open(
            HandoffConfig config,
            List<KvPool> pools,
            HandoffRuntime runtime,
            LeaseDirectory directory,
            String incarnation,
            Consumer<BlockLease> quiesced,
            SideChannelServer.Reports reports) {
        requireAlike(config, pools);
        if (!config.isHost()) {
            return new LentMemory(runtime, pools.size(), List.of(), config.sideChannelPort());
        }
        AddressSpace space = runtime.addressSpace();
        var regions = new ArrayList<LeasedRegion>();
        var metadata = new ArrayList<PeerMetadata>();
        for (int rank = 0; rank < pools.size(); rank++) {
            KvPool pool = pools.get(rank);
            long leastAddress = runtime.takeAddresses(pool.layout());
            List<LeasedRegion> planes =
                    LeasedRegion.over(pool, space, leastAddress, directory, runtime.counters(), quiesced);
            regions.addAll(planes);
            metadata.add(new PeerMetadata(
                    config.engineId(),
                    runtime.transfers().rpcPort(),
                    planes.stream().map(LeasedRegion::address).toList(),
                    space.idCount(),
                    Optional.of(new PeerMetadata.Details(incarnation, rank, pools.size(), pool.layout()))));
        }
        SideChannelDialect dialect = SideChannelDialect.of(config);
        int port = runtime.channel()
                .listen(
                        runtime.sideChannelHost(),
                        config.sideChannelPort(),
                        pools.size(),
                        (firstPort, rank) -> new SideChannelServer(
                                metadata.get(rank),
                                new RankEndpoint(runtime.host(), firstPort, rank, pools.size()),
                                reports,
                                runtime.counters(),
                                dialect));
        regions.forEach(runtime.transfers()::register);
        return new LentMemory(runtime, pools.size(), List.copyOf(regions), port);
    }

    private static void requireAlike(HandoffConfig config, List<KvPool> pools) {
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
        if (config.peers() instanceof Peers.FromRankTable table && table.own().size() != pools.size()) {
            throw new IllegalArgumentException(table.own().size() + " devices for " + pools.size() + " tensor ranks");
        }
    }

    /** The port that rank 0's side channel listens on: the configured one, or the one taken for 0; those of the other ranks follow. */
    public int sideChannelPort() {
        return sideChannelPort;
    }

    /** Peers reach nothing here any more. */
    @Override
    public void close() {
        if (!regions.isEmpty()) {
            runtime.channel().stopListening(sideChannelPort, ranks);
            regions.forEach(runtime.transfers()::unregister);
        }
    }
}
