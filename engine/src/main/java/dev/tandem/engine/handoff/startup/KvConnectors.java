package dev.tandem.engine.handoff.startup;

import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.KvConnector;
import dev.tandem.engine.handoff.pull.PullConnector;
import dev.tandem.engine.handoff.push.LayerwiseConnector;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.request.EngineException;
import dev.tandem.kv.KvPool;
import java.util.List;

/** Which connector a configuration means. */
public final class KvConnectors {
    private KvConnectors() {}

    /**
     * Starts the connector of one replica.
     *
     * @param pools by tensor rank
     * @param runtime of the process; closed by who started it, after the connector
     * @param wakeLoop called from any thread when the connector is to be polled; must not block
     * @throws EngineException UNAVAILABLE naming host and port when a port cannot be bound
     */
    public static KvConnector start(
            HandoffConfig config, List<KvPool> pools, HandoffRuntime runtime, Runnable wakeLoop) {
        return switch (config.connector()) {
            case PULL -> PullConnector.start(config, pools, runtime, wakeLoop);
            case LAYERWISE -> LayerwiseConnector.start(config, pools, runtime, wakeLoop);
        };
    }
}
