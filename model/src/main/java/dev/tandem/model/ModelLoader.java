package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.FeedForward;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.SwiGluWeights;
import dev.tandem.layer.Workspace;
import dev.tandem.parallel.Partition;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;

/** Builds the graph that a checkpoint's architecture names. */
public final class ModelLoader {
    private ModelLoader() {}

    /**
     * Builds one rank's shard of a model. Weights stay mapped views, so the checkpoint must outlive the model; scratch memory is taken here.
     *
     * @param tables shared with the other ranks of this process
     * @throws IllegalArgumentException when the model's sizes cannot be cut for the rank's group; it names group sizes that fit
     */
    public static Model load(Checkpoint checkpoint, RankContext context, StepLimits limits, RotaryTables tables) {
        ModelConfig config = checkpoint.config();
        partition(config, context.experts().isPresent()).require(context.rank().tpSize());
        var weights = new Weights(checkpoint, context);
        var workspace = new Workspace(context.rank(), limits.maxRows());
        int positions = limits.maxModelLength();
        DecoderGraph graph = switch (config.architecture()) {
            case LLAMA -> new LlamaGraph(context, weights, workspace, tables, positions);
            case QWEN3 -> new Qwen3Graph(context, weights, workspace, tables, positions);
            case QWEN3_MOE -> new Qwen3MoeGraph(context, weights, workspace, tables, positions);
            case DEEPSEEK_V3 -> new DeepSeekV3Graph(context, weights, workspace, tables, positions);
            case DEEPSEEK_V32 -> new DeepSeekV32Graph(context, weights, workspace, tables, positions);
        };
        weights.requireAllRead();
        return new Decoder(context, config, limits, graph, workspace);
    }

    /** Builds the model of the only rank of a process. */
    public static Model load(Checkpoint checkpoint, RankContext context, StepLimits limits) {
        return load(checkpoint, context, limits, new RotaryTables());
    }

    /**
     * Builds the bank of a checkpoint's experts from which one thread computes them, for expert parallelism. Weights stay mapped views.
     *
     * @param context {@link RankContext#single} of the thread that will use the bank
     * @throws IllegalArgumentException when the architecture has no experts
     */
    public static ExpertBank experts(Checkpoint checkpoint, RankContext context, StepLimits limits) {
        ModelConfig config = checkpoint.config();
        if (config.feedForward().experts().isEmpty()) {
            throw new IllegalArgumentException(config.architecture() + " has no experts");
        }
        var weights = new Weights(checkpoint, context);
        var byLayer = new ArrayList<List<SwiGluWeights>>(); // [layers][experts]
        for (int layer = 0; layer < config.layers(); layer++) {
            int count =
                    config.feedForward().expertsOf(layer).map(Experts::count).orElse(0);
            byLayer.add(weights.layer(layer).experts("mlp.experts.", count));
        }
        return new ExpertBank(context, byLayer, limits.maxRows());
    }

    /**
     * The sizes that tensor-parallel ranks cut into equal parts.
     *
     * @param hasExpertParallel every expert is whole on one rank, not cut
     */
    static Partition partition(ModelConfig config, boolean hasExpertParallel) {
        FeedForward feedForward = config.feedForward();
        var sizes = new LinkedHashMap<String, Integer>();
        sizes.put("query heads", config.attention().heads());
        sizes.put("hidden size", config.hiddenSize());
        if (feedForward.expertsOf(0).isEmpty()) {
            sizes.put("intermediate size", feedForward.intermediateSize());
        }
        if (feedForward.experts().isPresent()) {
            Experts experts = feedForward.experts().get();
            if (experts.dense().sharedSize() > 0) {
                sizes.put("shared expert size", experts.dense().sharedSize());
            }
            if (!hasExpertParallel) {
                sizes.put("expert intermediate size", experts.intermediateSize());
            }
        }
        sizes.put("vocabulary", config.vocabularySize());
        return new Partition(sizes, config.attention().kvHeads());
    }
}
