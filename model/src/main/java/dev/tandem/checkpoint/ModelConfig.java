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
 * @param hiddenSize width of the residual stream
 * @param vocabularySize rows of the embedding
 * @param maxPositions longest context that the checkpoint was made for
 * @param normEpsilon epsilon of RMS norms
 * @param tiesEmbeddings the output head is the embedding
 * @param dtype type of the checkpoint's main weights; what {@code --dtype auto} follows; F32, F16 or BF16, also for quantised files
 * @param attention heads and rotary embedding
 * @param feedForward dense or expert layers
 * @param tokens special ids and defaults of generation
 */
public record ModelConfig(
        Architecture architecture,
        int layers,
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
        QWEN3_MOE
    }

    /**
     * @param heads query heads
     * @param kvHeads heads of the cache
     * @param headDim values a head
     * @param normalisesHeads queries and keys pass an RMS norm per head (Qwen3)
     * @param ropeTheta base of the rotary embedding
     * @param ropeScaling present for llama3 scaling
     */
    public record Attention(
            int heads,
            int kvHeads,
            int headDim,
            boolean normalisesHeads,
            double ropeTheta,
            Optional<Llama3Scaling> ropeScaling) {}

    /** Rotary scaling of Llama 3.1; GGUF files carry its result as the tensor {@code rope_freqs.weight} instead. */
    public record Llama3Scaling(
            double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalPositions) {}

    /**
     * @param intermediateSize inner width of a dense layer
     * @param experts present when layers are mixtures of experts
     */
    public record FeedForward(int intermediateSize, Optional<Experts> experts) {}

    /**
     * @param count experts a layer
     * @param active experts a token uses
     * @param intermediateSize inner width of one expert
     * @param normalisesWeights the chosen experts' weights are divided by their sum
     */
    public record Experts(int count, int active, int intermediateSize, boolean normalisesWeights) {}

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
