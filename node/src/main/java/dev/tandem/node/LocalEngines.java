package dev.tandem.node;

import dev.tandem.engine.Engine;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineParts;
import dev.tandem.engine.Replica;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.lease.AddressSpace;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.startup.HandoffWarmUp;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.transfer.TransferConfig;
import dev.tandem.trust.PeerTrust;
import java.time.Duration;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** The engines of this process, one per data-parallel rank. Closed together. */
final class LocalEngines implements AutoCloseable {
    /** As long as it takes a gateway to find that a node hangs. */
    private static final Duration METASERVER_SILENCE = Duration.ofSeconds(10);

    private final SortedMap<Integer, Engine> engines = new TreeMap<>(); // by data-parallel rank
    private final Optional<HandoffRuntime> runtime;
    private final Optional<HandoffWarmUp> warmUp;

    private final Optional<MetaserverCalls> metaserver;

    private LocalEngines(NodeConfig config, LocalRanks ranks, PeerTrust trust) {
        Optional<KvTransferConfig> kvTransfer = config.flags()
                .kvTransfer()
                .filter(transfer -> config.flags().parallel().localRanks() > 0); // a head without ranks moves no KV
        this.metaserver = kvTransfer
                .filter(transfer -> transfer.connector() == Connector.LAYERWISE)
                .map(transfer -> metaserverCalls(config, trust));
        this.runtime = kvTransfer.map(transfer -> runtime(config, ranks, trust, transfer.ports()));
        Duration budget = config.environment().warmUp();
        this.warmUp = kvTransfer
                .filter(transfer -> budget.isPositive())
                .map(transfer -> HandoffWarmUp.start(transfer.connector(), budget));
    }

    /** One call for each request that may run here: a request awaits its KV once. */
    private static MetaserverCalls metaserverCalls(NodeConfig config, PeerTrust trust) {
        ServeFlags flags = config.flags();
        int sequences = flags.limits().sequences() * flags.parallel().data().size();
        ServeFlags.Server server = flags.server();
        return new MetaserverCalls(
                sequences,
                Duration.ofSeconds(server.requestTimeoutSeconds()),
                METASERVER_SILENCE,
                server.outgoing(),
                trust);
    }

    private HandoffRuntime runtime(NodeConfig config, LocalRanks ranks, PeerTrust trust, TransferConfig.Ports ports) {
        Invitation.Messenger messenger = metaserver
                .<Invitation.Messenger>map(calls -> calls)
                .orElse((invitation, answered) -> {
                    answered.accept(Optional.of("this node runs no layerwise connector"));
                    return () -> {};
                });
        long pace = config.environment().handoff().paceBytesPerSecond().orElse(0L);
        TransferConfig transfer = TransferConfig.of(config.announcedHost())
                .withPace(pace)
                .with(ports)
                .with(trust);
        return HandoffRuntime.start(transfer, config.sideChannelHost(), messenger, AddressSpace.of(ranks.pools()));
    }

    /**
     * Starts one engine after the other; when one does not start, those before it are closed.
     *
     * @param devices of this node in the rank table, where its connector needs one
     * @param trust whom it exchanges KV with
     */
    static LocalEngines start(
            NodeConfig config, RankPlan plan, LocalRanks ranks, Optional<LocalDevices> devices, PeerTrust trust) {
        var started = new LocalEngines(config, ranks, trust);
        try {
            for (EngineParts parts : ranks.replicas()) {
                EngineParts connected = started.runtime.map(parts::with).orElse(parts);
                // The first engine makes the kernels hot for all: the compiler's work is the process's.
                Duration warmUp =
                        started.engines.isEmpty() ? config.environment().warmUp() : Duration.ZERO;
                EngineConfig engine = config.flags()
                        .engineConfig(plan.maxModelLength(), handoffConfig(config, parts.dpRank(), devices));
                started.engines.put(parts.dpRank(), Engine.start(engine, connected, warmUp));
            }
            return started;
        } catch (RuntimeException e) {
            started.close();
            throw e;
        }
    }

    /** The engines by data-parallel rank. */
    SortedMap<Integer, Replica> byDpRank() {
        return new TreeMap<>(engines);
    }

    /** Why the first dead engine died. */
    Optional<String> failure() {
        return engines.values().stream()
                .flatMap(engine -> engine.status().failure().stream())
                .findFirst();
    }

    /** The part that a replica plays in exchanges of KV; empty on a node that takes part in none. */
    private static Optional<HandoffConfig> handoffConfig(
            NodeConfig config, int dpRank, Optional<LocalDevices> devices) {
        // As vLLM names the engines of several data-parallel ranks.
        String suffix = config.flags().parallel().data().size() == 1 ? "" : "_dp" + dpRank;
        NodeEnvironment.Handoff limits = config.environment().handoff();
        return config.flags()
                .kvTransfer()
                .map(transfer -> new HandoffConfig(
                        transfer.engineId() + suffix,
                        config.ports().orElseThrow().sideChannel(dpRank, 0),
                        transfer.role(),
                        transfer.connector(),
                        devices.<Peers>map(own -> new Peers.FromRankTable(own.table(), own.ofReplica(dpRank)))
                                .orElseGet(() -> new Peers.FromTicket(transfer.peerTpSize())),
                        limits.lease(),
                        limits.fetch(),
                        transfer.failurePolicy()));
    }

    /** What exchanges KV with other nodes, where this one does. */
    Optional<HandoffRuntime> runtime() {
        return runtime;
    }

    @Override
    public void close() {
        engines.values().forEach(Engine::close);
        warmUp.ifPresent(HandoffWarmUp::close);
        runtime.ifPresent(HandoffRuntime::close);
        metaserver.ifPresent(MetaserverCalls::close);
    }
}
