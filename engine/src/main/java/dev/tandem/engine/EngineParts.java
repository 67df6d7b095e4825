package dev.tandem.engine;

import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.kv.KvPool;
import dev.tandem.model.Model;
import dev.tandem.parallel.Collective;
import dev.tandem.parallel.TensorGroup;
import java.util.List;
import java.util.Optional;

/**
 * What an engine runs on; the node makes it and the engine closes it.
 *
 * @param dpRank index of the replica in the deployment
 * @param shards of one replica by tensor-parallel rank; their pools have equally many blocks of one size
 * @param runtime what the replicas of the process share for exchanges with peers; needed when the engine takes part in one, and closed after
 *     the engine by who started it
 */
public record EngineParts(int dpRank, List<Shard> shards, Optional<HandoffRuntime> runtime) {
    /**
     * One tensor-parallel rank.
     *
     * @param model its shard
     * @param pool its KV memory
     * @param collective its place in the group
     */
    public record Shard(Model model, KvPool pool, Collective collective) {}

    public EngineParts {
        shards = List.copyOf(shards);
        for (Shard shard : shards) {
            KvPool first = shards.getFirst().pool();
            if (shard.pool().blockCount() != first.blockCount()
                    || shard.pool().layout().blockSize() != first.layout().blockSize()) {
                throw new IllegalArgumentException("pools of " + shard.pool().blockCount() + " and "
                        + first.blockCount() + " blocks, of "
                        + shard.pool().layout().blockSize() + " and "
                        + first.layout().blockSize() + " tokens, in one group");
            }
        }
    }

    /** A replica of one rank that takes part in no exchange. */
    public static EngineParts single(Model model, KvPool pool) {
        return new EngineParts(
                0, List.of(new Shard(model, pool, TensorGroup.single().member(0))), Optional.empty());
    }

    /** These parts with what exchanges need. */
    public EngineParts with(HandoffRuntime exchanges) {
        return new EngineParts(dpRank, shards, Optional.of(exchanges));
    }

    /** Pools by tensor-parallel rank. */
    List<KvPool> pools() {
        return shards.stream().map(Shard::pool).toList();
    }
}
