package dev.tandem.node;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.engine.EngineParts;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.Model;
import dev.tandem.model.ModelLoader;
import dev.tandem.node.flags.Parallel;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The ranks of this process, each with a shard of the model, KV memory and kernel threads. Weights are views of one mapping, so n ranks hold
 * them once. The engines close models and pools; closing this ends the threads, after them.
 */
final class LocalRanks implements AutoCloseable {
    private final NodeConfig config;
    private final Checkpoint checkpoint;
    private final KernelSelection selection;
    private final RankPlan plan;
    private final Optional<LocalExperts> experts;
    private final RotaryTables tables = new RotaryTables();
    private final List<KernelThreads> threads = new ArrayList<>();
    private final List<EngineParts> replicas = new ArrayList<>();

    private LocalRanks(NodeConfig config, LoadedModel loaded, RankPlan plan, Optional<LocalExperts> experts) {
        this.config = config;
        this.checkpoint = loaded.checkpoint();
        this.selection = loaded.kernels();
        this.plan = plan;
        this.experts = experts;
    }

    /**
     * Loads all ranks.
     *
     * @param experts way to the experts, where they are spread over ranks
     */
    static LocalRanks load(NodeConfig config, LoadedModel loaded, RankPlan plan, Optional<LocalExperts> experts) {
        var ranks = new LocalRanks(config, loaded, plan, experts);
        try {
            ranks.load();
            return ranks;
        } catch (RuntimeException e) {
            ranks.replicas.forEach(
                    replica -> replica.shards().forEach(shard -> shard.pool().close()));
            ranks.close();
            throw e;
        }
    }

    private void load() {
        Parallel parallel = config.flags().parallel();
        boolean ownsCores = parallel.localRanks() <= config.cores();
        for (int dp = 0; dp < parallel.data().localSize(); dp++) {
            var group = new TensorGroup(parallel.tensor(), ownsCores);
            replicas.add(replica(parallel.data().startRank() + dp, group));
        }
    }

    private EngineParts replica(int dpRank, TensorGroup group) {
        var shards = new ArrayList<EngineParts.Shard>();
        for (int tp = 0; tp < group.size(); tp++) {
            Model model = model(dpRank, tp, group);
            KvLayout layout = model.kvLayout(
                    plan.layout().blockSize(), plan.layout().planes().getFirst().dtype());
            shards.add(new EngineParts.Shard(model, new KvPool(layout, plan.blocks()), group.member(tp)));
        }
        return new EngineParts(dpRank, shards, Optional.empty());
    }

    private Model model(int dpRank, int tp, TensorGroup group) {
        var rank = new Rank(
                tp, group.size(), dpRank, config.flags().parallel().data().size());
        threads.add(new KernelThreads(config.kernelThreads(), config.coresPerRank()));
        Kernels rankKernels = selection.kernels(threads.getLast());
        var context = new RankContext(rank, group.member(tp), rankKernels, Optional.empty());
        if (experts.isPresent()) {
            context = context.withExperts(experts.get().exchange(rankKernels));
        }
        return ModelLoader.load(checkpoint, context, plan.limits(), tables);
    }

    /** By data-parallel rank, ascending. */
    List<EngineParts> replicas() {
        return replicas;
    }

    /** KV memory of all ranks. */
    List<KvPool> pools() {
        return replicas.stream()
                .flatMap(replica -> replica.shards().stream())
                .map(EngineParts.Shard::pool)
                .toList();
    }

    /** KV memory of all ranks together, in the blocks of one replica. */
    NodeReport.KvMemory kvReport() {
        long bytes = 0;
        for (EngineParts replica : replicas) {
            for (EngineParts.Shard shard : replica.shards()) {
                bytes += shard.pool().layout().blockBytes() * shard.pool().blockCount();
            }
        }
        return new NodeReport.KvMemory(
                plan.blocks() * replicas.size(),
                plan.layout().blockSize(),
                bytes,
                plan.layout().planes().getFirst().dtype().name());
    }

    /** Kernel threads of each rank; 0 where there are none. */
    int threadsPerRank() {
        return threads.isEmpty() ? 0 : threads.getFirst().count();
    }

    @Override
    public void close() {
        threads.forEach(KernelThreads::close);
    }
}
