package dev.tandem.engine;

import dev.tandem.engine.handoff.HandoffHub;
import dev.tandem.kv.KvPool;
import dev.tandem.model.Model;
import java.util.Optional;

/**
 * What an engine runs on; the node makes it and the engine closes it.
 *
 * @param model this rank's shard
 * @param pool its KV memory
 * @param hub what the replicas of the process share for exchanges with peers; needed when the engine takes part in one, and closed after
 *     the engine by who started it
 */
public record EngineParts(Model model, KvPool pool, Optional<HandoffHub> hub) {
    /** For an engine that takes part in no exchange. */
    public EngineParts(Model model, KvPool pool) {
        this(model, pool, Optional.empty());
    }
}
