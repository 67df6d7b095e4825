package dev.tandem.node;

import dev.tandem.engine.Engine;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineParts;
import dev.tandem.engine.Replica;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.handoff.Invitation;
import dev.tandem.engine.handoff.Peers;
import dev.tandem.engine.handoff.startup.HandoffWarmUp;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** The engines of this process, one a data-parallel rank. Closed together. */
final class LocalEngines implements AutoCloseable {
    /** The first engine makes the kernels hot for all: the compiler's work is the process's. */
    private static final Duration FIRST_WARM_UP = Duration.ofSeconds(2);

    private static final Duration LATER_WARM_UP = Duration.ofMillis(20);

    private final SortedMap<Integer, Engine> engines = new TreeMap<>(); // by data-parallel rank
    private final Optional<HandoffRuntime> runtime;
    private final Optional<HandoffWarmUp> warmUp;

    private final Optional<MetaserverCalls> metaserver;

    private LocalEngines(NodeConfig config) {
        Optional<KvTransferConfig> kvTransfer = config.flags()
                .kvTransfer()
                .filter(transfer -> config.flags().parallel().localRanks() > 0); // a head without ranks moves no KV
        this.metaserver = kvTransfer
                .filter(transfer -> transfer.connector() == KvTransferConfig.Connector.LAYERWISE)
                .map(transfer -> metaserverCalls(config));
        this.runtime = kvTransfer.map(transfer -> runtime(config));
        this.warmUp = kvTransfer.map(transfer -> HandoffWarmUp.start(connector(transfer)));
    }

    /** One for each request that may run here: a request awaits its KV once. */
    private static MetaserverCalls metaserverCalls(NodeConfig config) {
        ServeFlags flags = config.flags();
        int sequences = flags.scheduler().sequences() * flags.parallel().data().size();
        return new MetaserverCalls(sequences, Duration.ofSeconds(flags.server().requestTimeoutSeconds()));
    }

    private HandoffRuntime runtime(NodeConfig config) {
        Invitation.Messenger messenger = metaserver
                .<Invitation.Messenger>map(calls -> calls)
                .orElse((invitation, answered) ->
                        answered.accept(Optional.of("this node runs no layerwise connector")));
        long pace = config.environment().handoff().paceBytesPerSecond().orElse(0L);
        return HandoffRuntime.start(config.announcedHost(), config.sideChannelHost(), messenger, pace);
    }

    /**
     * Starts one engine after the other; when one does not start, those before it are closed.
     *
     * @param devices of this node in the rank table, where its connector needs one
     */
    static LocalEngines start(NodeConfig config, RankPlan plan, LocalRanks ranks, Optional<LocalDevices> devices) {
        var started = new LocalEngines(config);
        try {
            for (EngineParts parts : ranks.replicas()) {
                EngineParts connected = started.runtime.map(parts::with).orElse(parts);
                Duration warmUp = started.engines.isEmpty() ? FIRST_WARM_UP : LATER_WARM_UP;
                started.engines.put(
                        parts.dpRank(),
                        Engine.start(engineConfig(config, plan, parts.dpRank(), devices), connected, warmUp));
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

    private static EngineConfig engineConfig(
            NodeConfig config, RankPlan plan, int dpRank, Optional<LocalDevices> devices) {
        ServeFlags flags = config.flags();
        return new EngineConfig(
                plan.maxModelLength(),
                new BatchLimits(
                        flags.scheduler().batchedTokens(),
                        flags.scheduler().sequences(),
                        flags.server().maxWaiting(),
                        flags.scheduler().isPrefillChunked()),
                flags.cache().cachesPrefixes(),
                flags.model().generation().seed(),
                flags.kvTransfer()
                        .map(transfer -> handoffConfig(config, transfer, dpRank, peers(transfer, dpRank, devices))));
    }

    private static Peers peers(KvTransferConfig transfer, int dpRank, Optional<LocalDevices> devices) {
        return devices.<Peers>map(own -> new Peers.FromRankTable(own.table(), own.ofReplica(dpRank)))
                .orElseGet(() -> new Peers.FromTicket(peerTpSize(transfer)));
    }

    private static HandoffConfig handoffConfig(NodeConfig config, KvTransferConfig transfer, int dpRank, Peers peers) {
        // As vLLM names the engines of several data-parallel ranks.
        String suffix = config.flags().parallel().data().size() == 1 ? "" : "_dp" + dpRank;
        return new HandoffConfig(
                transfer.engineId() + suffix,
                config.ports().orElseThrow().sideChannel(dpRank, 0),
                switch (transfer.role()) {
                    case KV_PRODUCER -> HandoffConfig.Role.PRODUCER;
                    case KV_CONSUMER -> HandoffConfig.Role.CONSUMER;
                    case KV_BOTH -> HandoffConfig.Role.BOTH;
                },
                connector(transfer),
                peers,
                config.environment().handoff().lease(),
                config.environment().handoff().fetch(),
                switch (transfer.failurePolicy()) {
                    case RECOMPUTE -> FailurePolicy.RECOMPUTE;
                    case FAIL -> FailurePolicy.FAIL;
                });
    }

    private static HandoffConfig.Connector connector(KvTransferConfig transfer) {
        return switch (transfer.connector()) {
            case PULL, DATA_DIST -> HandoffConfig.Connector.PULL;
            case LAYERWISE -> HandoffConfig.Connector.LAYERWISE;
        };
    }

    /** What the extra config says of the other side; a node that plays both parts has peers like itself. */
    private static int peerTpSize(KvTransferConfig transfer) {
        Optional<KvTransferConfig.Sizes> peer = switch (transfer.role()) {
            case KV_PRODUCER -> transfer.expected().decode();
            case KV_CONSUMER, KV_BOTH -> transfer.expected().prefill();
        };
        return peer.map(KvTransferConfig.Sizes::tp).orElse(1);
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
