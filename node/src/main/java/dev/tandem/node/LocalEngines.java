package dev.tandem.node;

import dev.tandem.engine.Engine;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineParts;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** The engines of this process, one a data-parallel rank. Closed together. */
final class LocalEngines implements AutoCloseable {
    /** The first engine makes the kernels hot for all: the compiler's work is the process's. */
    private static final Duration FIRST_WARM_UP = Duration.ofSeconds(2);

    private static final Duration LATER_WARM_UP = Duration.ofMillis(20);

    private final List<Engine> engines = new ArrayList<>();

    /** Starts one engine after the other; when one does not start, those before it are closed. */
    static LocalEngines start(NodeConfig config, LocalRanks ranks) {
        var started = new LocalEngines();
        try {
            for (EngineParts parts : ranks.replicas()) {
                Duration warmUp = started.engines.isEmpty() ? FIRST_WARM_UP : LATER_WARM_UP;
                started.engines.add(Engine.start(engineConfig(config, ranks, parts.dpRank()), parts, warmUp));
            }
            return started;
        } catch (RuntimeException e) {
            started.close();
            throw e;
        }
    }

    /** By data-parallel rank, ascending. */
    List<Engine> engines() {
        return engines;
    }

    private static EngineConfig engineConfig(NodeConfig config, LocalRanks ranks, int dpRank) {
        ServeFlags flags = config.flags();
        return new EngineConfig(
                ranks.maxModelLength(),
                new EngineConfig.Limits(
                        flags.scheduler().batchedTokens(),
                        flags.scheduler().sequences(),
                        flags.server().maxWaiting(),
                        flags.scheduler().isPrefillChunked()),
                flags.cache().cachesPrefixes(),
                flags.model().generation().seed(),
                flags.kvTransfer().map(transfer -> handoffConfig(config, transfer, dpRank)));
    }

    private static HandoffConfig handoffConfig(NodeConfig config, KvTransferConfig transfer, int dpRank) {
        // As vLLM names the engines of several data-parallel ranks.
        String suffix = config.flags().parallel().data().size() == 1 ? "" : "_dp" + dpRank;
        return new HandoffConfig(
                transfer.engineId() + suffix,
                config.announcedHost(),
                config.ports().orElseThrow().sideChannel(dpRank, 0),
                switch (transfer.role()) {
                    case KV_PRODUCER -> HandoffConfig.Role.PRODUCER;
                    case KV_CONSUMER -> HandoffConfig.Role.CONSUMER;
                    case KV_BOTH -> HandoffConfig.Role.BOTH;
                },
                config.environment().timeouts().lease(),
                config.environment().timeouts().fetch(),
                switch (transfer.failurePolicy()) {
                    case RECOMPUTE -> FailurePolicy.RECOMPUTE;
                    case FAIL -> FailurePolicy.FAIL;
                });
    }

    @Override
    public void close() {
        engines.forEach(Engine::close);
    }
}
