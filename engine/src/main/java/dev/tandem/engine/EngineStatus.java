package dev.tandem.engine;

import java.util.Map;
import java.util.Optional;

/**
 * A snapshot of an engine.
 *
 * @param failure why the engine is dead; empty while it lives
 * @param load sequences in each state
 * @param blocks KV blocks in each state
 * @param counters see {@link EngineCounter}
 */
public record EngineStatus(Optional<String> failure, Load load, Blocks blocks, Map<EngineCounter, Long> counters) {
    /** @param lent sequences whose blocks wait for a decode node or are still being pushed to one; awaitingKv sequences whose KV is coming */
    public record Load(int waiting, int running, int lent, int awaitingKv) {}

    /** @param cached free to take, but still found by the prefix cache; counted in {@code free} too */
    public record Blocks(int total, int free, int cached, int lent) {}
}
