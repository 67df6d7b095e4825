package dev.tandem.engine;

import dev.tandem.kv.KvPool;
import dev.tandem.model.Model;

/**
 * What an engine runs on; the node makes it and the engine closes it.
 *
 * @param model this rank's shard
 * @param pool its KV memory
 */
public record EngineParts(Model model, KvPool pool) {}
