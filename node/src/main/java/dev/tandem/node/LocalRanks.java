package dev.tandem.node;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.engine.EngineParts;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.kv.KvSizing;
import dev.tandem.layer.RankContext;
import dev.tandem.model.Model;
import dev.tandem.model.ModelLoader;
import dev.tandem.model.StepLimits;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.Parallel;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The ranks of this process: a shard of the model, KV memory and kernel threads each. Weights are views of one mapping, so n ranks hold
 * them once. The engines close models and pools; closing this ends the threads, after them.
 */
final class LocalRanks implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LocalRanks.class);

    /** Rows that pass the layers together: what scratch is sized by, whatever a step's budget is. */
    private static final int MAX_ROWS = 512;

    private final NodeConfig config;
    private final Checkpoint checkpoint;
    private final Kernels kernels;
    private final IntFunction<Optional<ExpertExchange>> experts;
    private final List<KernelThreads> threads = new ArrayList<>();
    private final List<EngineParts> replicas = new ArrayList<>();
    private int maxModelLength;

    private LocalRanks(NodeConfig config, LoadedModel loaded, IntFunction<Optional<ExpertExchange>> experts) {
        this.config = config;
        this.checkpoint = loaded.checkpoint();
        this.kernels = loaded.kernels().kernels();
        this.experts = experts;
    }

    /**
     * Loads all ranks.
     *
     * @param experts way to the experts for the rank of a global index, where experts are spread over ranks
     */
    static LocalRanks load(NodeConfig config, LoadedModel loaded, IntFunction<Optional<ExpertExchange>> experts) {
        var ranks = new LocalRanks(config, loaded, experts);
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
        Parallel.Data data = config.flags().parallel().data();
        int askedLength = modelLength(config, checkpoint.config());
        var models = new ArrayList<List<Model>>();
        var groups = new ArrayList<TensorGroup>();
        boolean ownsCores = config.flags().parallel().localRanks() <= config.cores();
        for (int dp = 0; dp < data.localSize(); dp++) {
            groups.add(new TensorGroup(config.flags().parallel().tensor(), ownsCores));
            models.add(models(data.startRank() + dp, groups.getLast(), askedLength));
        }
        KvLayout largest = layout(models.getFirst().getFirst());
        maxModelLength = fittingLength(config, largest, askedLength);
        int blocks = blockCount(config, largest, maxModelLength);
        for (int dp = 0; dp < models.size(); dp++) {
            replicas.add(replica(data.startRank() + dp, groups.get(dp), models.get(dp), blocks));
        }
    }

    private List<Model> models(int dpRank, TensorGroup group, int length) {
        ServeFlags flags = config.flags();
        var limits = new StepLimits(
                Math.min(flags.scheduler().batchedTokens(), MAX_ROWS),
                flags.scheduler().sequences(),
                length);
        var models = new ArrayList<Model>();
        for (int tp = 0; tp < group.size(); tp++) {
            threads.add(new KernelThreads(config.kernelThreads(), config.coresPerRank()));
            var rank =
                    new Rank(tp, group.size(), dpRank, flags.parallel().data().size());
            var context = new RankContext(
                    rank, group.member(tp), kernels, threads.getLast(), experts.apply(dpRank * group.size() + tp));
            models.add(ModelLoader.load(checkpoint, context, limits));
        }
        return models;
    }

    private EngineParts replica(int dpRank, TensorGroup group, List<Model> models, int blocks) {
        var shards = new ArrayList<EngineParts.Shard>();
        for (int tp = 0; tp < models.size(); tp++) {
            Model model = models.get(tp);
            shards.add(new EngineParts.Shard(model, new KvPool(layout(model), blocks), group.member(tp)));
        }
        return new EngineParts(dpRank, shards, Optional.empty());
    }

    private KvLayout layout(Model model) {
        ServeFlags flags = config.flags();
        return model.kvLayout(flags.cache().blockSize(), kvDtype(flags.model().numerics(), checkpoint.config()));
    }

    /** As vLLM: {@code --kv-cache-dtype} auto follows {@code --dtype}, and auto there follows the checkpoint. */
    static DType kvDtype(ServeFlags.Numerics numerics, ModelConfig config) {
        String word = numerics.kvCacheDtype().equals("auto") ? numerics.dtype() : numerics.kvCacheDtype();
        return switch (word) {
            case "float32" -> DType.F32;
            case "bfloat16" -> DType.BF16;
            case "float16" -> DType.F16;
            default -> config.dtype();
        };
    }

    private static int modelLength(NodeConfig config, ModelConfig model) {
        Optional<Integer> asked = config.flags().model().maxModelLength();
        if (asked.isPresent()
                && asked.get() > model.maxPositions()
                && !config.environment().allowsLongModels()) {
            throw new FlagException(
                    "--max-model-len " + asked.get() + " exceeds the checkpoint's " + model.maxPositions()
                            + "; VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 allows it, and answers may become worthless");
        }
        return asked.orElse(model.maxPositions());
    }

    /** A length that was not asked for is cut to what a rank's KV memory holds, and said. */
    private static int fittingLength(NodeConfig config, KvLayout layout, int length) {
        long bytes = config.kvMemoryBytesPerRank();
        long tokens = bytes / layout.blockBytes() * layout.blockSize();
        if (config.flags().model().maxModelLength().isPresent() || tokens >= length || tokens < 1) {
            return length;
        }
        LOG.info("max-model-len={} reason=\"the KV memory of {} bytes a rank holds no more\"", tokens, bytes);
        return (int) tokens;
    }

    private static int blockCount(NodeConfig config, KvLayout layout, int length) {
        try {
            return KvSizing.blockCount(layout, config.kvMemoryBytesPerRank(), length);
        } catch (IllegalArgumentException e) {
            throw new FlagException(String.valueOf(e.getMessage()));
        }
    }

    /** Longest sequence, prompt plus output, tokens. */
    int maxModelLength() {
        return maxModelLength;
    }

    /** By data-parallel rank, ascending. */
    List<EngineParts> replicas() {
        return replicas;
    }

    /** KV memory of all ranks together, in the blocks of one replica. */
    NodeReport.Kv kvReport() {
        KvPool first = replicas.getFirst().shards().getFirst().pool();
        long bytes = 0;
        for (EngineParts replica : replicas) {
            for (EngineParts.Shard shard : replica.shards()) {
                bytes += shard.pool().layout().blockBytes() * shard.pool().blockCount();
            }
        }
        return new NodeReport.Kv(
                first.blockCount() * replicas.size(),
                first.layout().blockSize(),
                bytes,
                first.layout().planes().getFirst().dtype().name());
    }

    /** Kernel threads of each rank. */
    int threadsPerRank() {
        return threads.getFirst().count();
    }

    @Override
    public void close() {
        threads.forEach(KernelThreads::close);
    }
}
