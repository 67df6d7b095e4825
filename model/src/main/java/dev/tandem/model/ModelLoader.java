package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.RankContext;

/** Builds the graph that a checkpoint's architecture names. */
public final class ModelLoader {
    private ModelLoader() {}

    /**
     * One rank's shard of a model. Weights stay mapped views, so the checkpoint must outlive the model; scratch is taken here.
     *
     * @param tables shared with the other ranks of this process
     * @throws IllegalArgumentException when the model's sizes cannot be cut for the rank's group; it names group sizes that fit
     */
    public static Model load(Checkpoint checkpoint, RankContext context, StepLimits limits, RotaryTables tables) {
        var parts = new DecoderParts(checkpoint, context, limits, tables);
        return switch (checkpoint.config().architecture()) {
            case LLAMA -> parts.llama();
            case QWEN3 -> parts.qwen3();
            case QWEN3_MOE -> parts.qwen3Moe();
            case DEEPSEEK_V3, DEEPSEEK_V32 -> parts.deepSeek();
        };
    }

    /** The only rank of a process. */
    public static Model load(Checkpoint checkpoint, RankContext context, StepLimits limits) {
        return load(checkpoint, context, limits, new RotaryTables());
    }

    /**
     * All experts of a checkpoint as one thread computes them, for expert parallelism. Weights stay mapped views.
     *
     * @param context {@link RankContext#single} of the thread that will use the bank
     * @throws IllegalArgumentException when the architecture has no experts
     */
    public static ExpertBank experts(Checkpoint checkpoint, RankContext context, StepLimits limits) {
        return new DecoderParts(checkpoint, context, limits, new RotaryTables()).expertBank();
    }
}
