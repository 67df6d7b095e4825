package dev.tandem.node;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.engine.schedule.BatchLimits;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvSizing;
import dev.tandem.model.KvLayouts;
import dev.tandem.model.StepLimits;
import dev.tandem.node.flags.FlagException;
import dev.tandem.node.flags.ServeFlags;
import dev.tandem.parallel.Rank;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What every rank of this process is sized for, worked out before any is loaded.
 *
 * @param layout of the KV memory of tensor-parallel rank 0, which no other rank's exceeds
 * @param limits of a step
 * @param blocks of each rank's pool
 */
record RankPlan(KvLayout layout, StepLimits limits, int blocks) {
    private static final Logger LOG = LoggerFactory.getLogger(RankPlan.class);
    /** Rows that pass the layers together: what scratch is sized by, whatever a step's budget is. */
    private static final int MAX_ROWS = 512;

    /** @throws FlagException when a sequence of the length that was asked for does not fit */
    static RankPlan of(NodeConfig config, ModelConfig model) {
        var first = new Rank(0, config.flags().parallel().tensor(), 0, 1);
        KvLayout layout = KvLayouts.of(
                model,
                first,
                config.flags().cache().blockSize(),
                kvDtype(config.flags().model().numerics(), model));
        int length = fittingLength(config, layout, modelLength(config, model));
        return new RankPlan(layout, limits(config.flags().limits(), length), blockCount(config, layout, length));
    }

    private static StepLimits limits(BatchLimits limits, int length) {
        try {
            limits.requireWholePrompts(length);
        } catch (IllegalArgumentException e) {
            throw new FlagException(String.valueOf(e.getMessage()));
        }
        return new StepLimits(Math.min(limits.batchedTokens(), MAX_ROWS), limits.sequences(), length);
    }

    /** Longest sequence, prompt plus output, tokens. */
    int maxModelLength() {
        return limits.maxModelLength();
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
        LOG.info("max-model-len={} reason=\"the KV memory of {} bytes per rank holds no more\"", tokens, bytes);
        return (int) tokens;
    }

    private static int blockCount(NodeConfig config, KvLayout layout, int length) {
        try {
            return KvSizing.blockCount(layout, config.kvMemoryBytesPerRank(), length);
        } catch (IllegalArgumentException e) {
            throw new FlagException(String.valueOf(e.getMessage()));
        }
    }
}
