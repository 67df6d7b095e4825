package dev.tandem.checkpoint;

import dev.tandem.kernel.DType;
import java.util.List;
import java.util.Optional;

/**
 * What a checkpoint says about its model, from {@code config.json} or GGUF metadata; a value that nothing reads is refused when the
 * checkpoint is opened, unless a list names it as ignorable.
 *
 * @param architecture family of the model
 * @param layers decoder layers
 * @param predictionLayers layers after them that only draft further tokens (multi-token prediction); their tensors are not read
 * @param hiddenSize width of the residual stream
 * @param vocabularySize rows of the embedding
 * @param maxPositions longest context that the checkpoint was made for
 * @param normEpsilon epsilon of RMS norms
 * @param tiesEmbeddings the output head is the embedding
 * @param dtype type of the checkpoint's main weights; what {@code --dtype auto} follows; F32, F16 or BF16, also for quantised files
 * @param attention kind of attention, its sizes and rotary embedding
 * @param feedForward dense or expert layers
 * @param tokens special ids and defaults of generation
 */
public record ModelConfig(
        Architecture architecture,
        int layers,
        int predictionLayers,
        int hiddenSize,
        int vocabularySize,
        int maxPositions,
        float normEpsilon,
        boolean tiesEmbeddings,
        DType dtype,
        Attention attention,
        FeedForward feedForward,
        Tokens tokens) {

    /** Families with a model graph. */
    public enum Architecture {
        LLAMA,
        QWEN3,
        QWEN3_MOE,
        DEEPSEEK_V3,
        DEEPSEEK_V32
    }

    /** What a layer attends with. */
    public sealed interface Attention permits GroupedQuery, Latent {
        /** Query heads. */
        int heads();

        /** Heads of the cache; ranks of a tensor-parallel group replicate them where there are more ranks than heads. */
        int kvHeads();

        /** The rotary embedding. */
        Rope rope();
    }

    /**
     * Several query heads per head of keys and values (Llama, Qwen3).
     *
     * @param heads query heads
     * @param kvHeads heads of the cache
     * @param headDim values per head
     * @param normalisesHeads queries and keys pass an RMS norm per head (Qwen3)
     * @param rope rotary embedding of whole heads
     */
    public record GroupedQuery(int heads, int kvHeads, int headDim, boolean normalisesHeads, Rope rope)
            implements Attention {}

    /**
     * Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1): all heads share one latent vector and one rotary key per
     * token, which are all that the cache holds.
     *
     * @param heads query heads
     * @param sizes widths of what is projected
     * @param rope rotary embedding of the rotary parts
     * @param indexer present where a row attends to a few chosen positions only (DeepSeek-V3.2)
     */
    public record Latent(int heads, LatentSizes sizes, Rope rope, Optional<Indexer> indexer) implements Attention {
        /** One: every head reads the same latent. */
        @Override
        public int kvHeads() {
            return 1;
        }
    }

    /**
     * @param queryRank values of the latent that queries are projected from
     * @param latent values of the latent that keys and values are projected from
     * @param plain values of a query or key head without position
     * @param rotary values of a query head, and of the one key, with position
     * @param value values of a value head
     */
    public record LatentSizes(int queryRank, int latent, int plain, int rotary, int value) {
        /** Values of a query head as projected: without position, then with. */
        public int query() {
            return plain + rotary;
        }

        /** Values that a query head is compared with in the cache: latent, then rotary key. */
        public int cached() {
            return latent + rotary;
        }
    }

    /**
     * The lightning indexer of DeepSeek-V3.2, which chooses the positions that a row attends to.
     *
     * @param heads its query heads; it has one key head
     * @param headDim values per head, the first of which are rotated
     * @param topK most positions of a row
     */
    public record Indexer(int heads, int headDim, int topK) {}

    /**
     * @param theta base of the rotary embedding
     * @param scaling how frequencies were stretched for longer contexts; GGUF files carry its result as the tensor {@code
     *     rope_freqs.weight} instead
     */
    public record Rope(double theta, Optional<RopeScaling> scaling) {}

    /** Ways to stretch rotary frequencies. */
    public sealed interface RopeScaling permits Llama3Scaling, YarnScaling {}

    /** Rotary scaling of Llama 3.1. */
    public record Llama3Scaling(
            double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalPositions)
            implements RopeScaling {}

    /**
     * YaRN (arXiv:2309.00071) in DeepSeek's form.
     *
     * @param factor by which long waves are stretched
     * @param originalPositions context before the stretching
     * @param ramp between which waves the stretching begins
     * @param mscale magnitude for which cosines and sines are multiplied
     * @param mscaleAllDim magnitude for which scores are multiplied
     */
    public record YarnScaling(double factor, int originalPositions, Ramp ramp, double mscale, double mscaleAllDim)
            implements RopeScaling {}

    /**
     * @param betaFast waves with more turns than this over the original context stay as they are
     * @param betaSlow waves with fewer turns are stretched by the whole factor
     */
    public record Ramp(double betaFast, double betaSlow) {}

    /**
     * @param intermediateSize inner width of a dense layer
     * @param experts present when layers are mixtures of experts
     */
    public record FeedForward(int intermediateSize, Optional<Experts> experts) {
        /** Experts of one layer: none in a dense model, and none in the first layers of some. */
        public Optional<Experts> expertsOf(int layer) {
            return experts.filter(some -> layer >= some.dense().layers());
        }
    }

    /**
     * @param count experts per layer
     * @param active experts that a token uses
     * @param intermediateSize inner width of one expert
     * @param routing how scores become choices and weights
     * @param dense what is dense beside them
     */
    public record Experts(int count, int active, int intermediateSize, Routing routing, DenseParts dense) {}

    /**
     * How a router chooses.
     *
     * @param scoring from logits to scores
     * @param normalisesWeights the chosen experts' scores are divided by their sum
     * @param groups consecutive groups of equal size that experts are in
     * @param keptGroups groups with the largest sums of their two best experts; others cannot be chosen
     * @param scale factor on all weights
     */
    public record Routing(Scoring scoring, boolean normalisesWeights, int groups, int keptGroups, double scale) {
        /** Any of all experts by their probabilities (Qwen3-MoE). */
        public static Routing softmax(boolean normalisesWeights) {
            return new Routing(Scoring.SOFTMAX, normalisesWeights, 1, 1, 1);
        }
    }

    /** What a router makes of its logits. */
    public enum Scoring {
        /** Probabilities over all experts. */
        SOFTMAX,
        /** Each on its own; experts are chosen by score plus a correction bias of the checkpoint, and weighted without it (DeepSeek-V3). */
        SIGMOID
    }

    /**
     * @param layers first layers, which have no experts
     * @param sharedSize inner width of the experts that every token uses, taken together; 0 for none
     */
    public record DenseParts(int layers, int sharedSize) {
        /** Experts in every layer, none of them shared. */
        public static final DenseParts NONE = new DenseParts(0, 0);
    }

    /**
     * @param beginOfText id put before a prompt where the tokenizer does so
     * @param endOfText ids that end a generation
     * @param defaults sampling defaults of {@code generation_config.json}
     */
    public record Tokens(Optional<Integer> beginOfText, List<Integer> endOfText, GenerationDefaults defaults) {}

    /** Sampling defaults; empty where the checkpoint says nothing. */
    public record GenerationDefaults(
            Optional<Double> temperature,
            Optional<Double> topP,
            Optional<Integer> topK,
            Optional<Double> minP,
            Optional<Double> repetitionPenalty) {}
}
