package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.GgufCheckpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.Architecture;
import dev.tandem.checkpoint.ModelConfig.Attention;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.kernel.Tensor;
import dev.tandem.layer.AttentionForm;
import dev.tandem.layer.AttentionScratch;
import dev.tandem.layer.AttentionWeights;
import dev.tandem.layer.AttentionWeights.HeadNorms;
import dev.tandem.layer.DecoderLayer;
import dev.tandem.layer.Embedding;
import dev.tandem.layer.ExpertScratch;
import dev.tandem.layer.FeedForward;
import dev.tandem.layer.GroupedQueryAttention;
import dev.tandem.layer.HeadOrder;
import dev.tandem.layer.HeadShards;
import dev.tandem.layer.MixtureOfExperts;
import dev.tandem.layer.Mlp;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.RotaryEmbedding;
import dev.tandem.layer.RotaryFrequencies;
import dev.tandem.layer.ShardedLinear;
import dev.tandem.layer.SwiGluScratch;
import dev.tandem.layer.SwiGluWeights;
import dev.tandem.parallel.Partition;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/**
 * The parts from which a family puts its decoder together: layers over the checkpoint's tensors, cut for one rank. Used once, at load.
 */
final class DecoderParts {
    private static final String ROPE_FACTORS = "rope_freqs.weight";

    private final RankContext context;
    private final StepLimits limits;
    private final ModelConfig config;
    private final Weights weights;
    private final HeadShards heads;
    private final HeadOrder headOrder;

    DecoderParts(Checkpoint checkpoint, RankContext context, StepLimits limits) {
        this.context = context;
        this.limits = limits;
        this.config = checkpoint.config();
        this.weights = new Weights(checkpoint);
        partition(config).require(context.rank().tpSize());
        this.heads = HeadShards.of(context.rank(), config.attention());
        this.headOrder = checkpoint instanceof GgufCheckpoint && config.architecture() == Architecture.LLAMA
                ? HeadOrder.INTERLEAVED
                : HeadOrder.HALF_SPLIT;
    }

    /** What tensor-parallel ranks cut. */
    static Partition partition(ModelConfig config) {
        var sizes = new LinkedHashMap<String, Integer>();
        sizes.put("query heads", config.attention().heads());
        sizes.put("hidden size", config.hiddenSize());
        config.feedForward()
                .experts()
                .ifPresentOrElse(
                        experts -> sizes.put("expert intermediate size", experts.intermediateSize()),
                        () -> sizes.put("intermediate size", config.feedForward().intermediateSize()));
        sizes.put("vocabulary", config.vocabularySize());
        return new Partition(sizes, config.attention().kvHeads());
    }

    /**
     * The whole decoder.
     *
     * @param headNorms norms of a layer's query and key heads, {@link #noHeadNorms} or {@link #headNorms}
     * @param feedForwards second half of a layer, from {@link #mlps} or {@link #mixturesOfExperts}
     * @throws dev.tandem.checkpoint.CheckpointException when a tensor is missing, has another shape, or is read by nothing
     */
    Decoder decoder(IntFunction<Optional<HeadNorms>> headNorms, IntFunction<FeedForward> feedForwards) {
        Tensor table = weights.matrix("model.embed_tokens.weight", config.vocabularySize(), config.hiddenSize());
        var rotary = new RotaryEmbedding(context, inverseFrequencies(), limits.maxModelLength());
        AttentionScratch scratch = AttentionScratch.of(context.rank(), limits.maxRows(), heads);
        var layers = new ArrayList<DecoderLayer>();
        for (int layer = 0; layer < config.layers(); layer++) {
            var attention = new GroupedQueryAttention(
                    context,
                    attentionWeights(layer, headNorms.apply(layer)),
                    new AttentionForm(layer, heads, headOrder),
                    rotary,
                    scratch);
            layers.add(new DecoderLayer(
                    context,
                    norm(name(layer, "input_layernorm.weight"), config.hiddenSize()),
                    attention,
                    norm(name(layer, "post_attention_layernorm.weight"), config.hiddenSize()),
                    feedForwards.apply(layer)));
        }
        Tensor head = config.tiesEmbeddings()
                ? table
                : weights.matrix("lm_head.weight", config.vocabularySize(), config.hiddenSize());
        var stack = new DecoderStack(
                new Embedding(context, table),
                layers,
                norm("model.norm.weight", config.hiddenSize()),
                ShardedLinear.byRank(context, head));
        weights.requireAllRead();
        return new Decoder(context, config, limits, stack);
    }

    /** Heads go into the rotary embedding as projected. */
    Optional<HeadNorms> noHeadNorms(int layer) {
        return Optional.empty();
    }

    /** Every query and key head is normed before the rotary embedding. */
    Optional<HeadNorms> headNorms(int layer) {
        int headDim = config.attention().headDim();
        return Optional.of(new HeadNorms(
                norm(name(layer, "self_attn.q_norm.weight"), headDim),
                norm(name(layer, "self_attn.k_norm.weight"), headDim)));
    }

    /** Dense feed-forward layers. */
    IntFunction<FeedForward> mlps() {
        int inner = config.feedForward().intermediateSize();
        SwiGluScratch scratch = SwiGluScratch.of(context.rank(), limits.maxRows(), inner);
        return layer -> new Mlp(context, swiGlu(name(layer, "mlp."), inner), scratch);
    }

    /** Mixtures of experts in every layer. */
    IntFunction<FeedForward> mixturesOfExperts() {
        Experts experts = config.feedForward()
                .experts()
                .orElseThrow(() -> new IllegalStateException(config.architecture() + " without experts"));
        var scratch = new ExpertScratch(context.rank(), limits.maxRows(), config.hiddenSize(), experts);
        return layer -> new MixtureOfExperts(
                context,
                weights.matrix(name(layer, "mlp.gate.weight"), experts.count(), config.hiddenSize()),
                experts(layer, experts),
                scratch);
    }

    /** Hugging Face has three tensors an expert, GGUF three stacks a layer. */
    private List<SwiGluWeights> experts(int layer, Experts experts) {
        String prefix = name(layer, "mlp.experts.");
        int inner = experts.intermediateSize();
        var all = new ArrayList<SwiGluWeights>();
        if (!weights.has(prefix + "gate_proj.weight")) {
            for (int expert = 0; expert < experts.count(); expert++) {
                all.add(swiGlu(prefix + expert + ".", inner));
            }
            return all;
        }
        int hidden = config.hiddenSize();
        Tensor gate = weights.stack(prefix + "gate_proj.weight", experts.count(), inner, hidden);
        Tensor up = weights.stack(prefix + "up_proj.weight", experts.count(), inner, hidden);
        Tensor down = weights.stack(prefix + "down_proj.weight", experts.count(), hidden, inner);
        for (int expert = 0; expert < experts.count(); expert++) {
            all.add(new SwiGluWeights(gate.entry(expert), up.entry(expert), down.entry(expert)));
        }
        return all;
    }

    private SwiGluWeights swiGlu(String prefix, int inner) {
        int hidden = config.hiddenSize();
        return new SwiGluWeights(
                weights.matrix(prefix + "gate_proj.weight", inner, hidden),
                weights.matrix(prefix + "up_proj.weight", inner, hidden),
                weights.matrix(prefix + "down_proj.weight", hidden, inner));
    }

    private AttentionWeights attentionWeights(int layer, Optional<HeadNorms> headNorms) {
        Attention attention = config.attention();
        int hidden = config.hiddenSize();
        int queryRows = attention.heads() * attention.headDim();
        int kvRows = attention.kvHeads() * attention.headDim();
        return new AttentionWeights(
                weights.matrix(name(layer, "self_attn.q_proj.weight"), queryRows, hidden),
                weights.matrix(name(layer, "self_attn.k_proj.weight"), kvRows, hidden),
                weights.matrix(name(layer, "self_attn.v_proj.weight"), kvRows, hidden),
                weights.matrix(name(layer, "self_attn.o_proj.weight"), hidden, queryRows),
                headNorms);
    }

    private double[] inverseFrequencies() {
        Attention attention = config.attention();
        double[] inverse = RotaryFrequencies.plain(attention.ropeTheta(), attention.headDim());
        if (attention.ropeScaling().isPresent()) {
            inverse = RotaryFrequencies.llama3(inverse, attention.ropeScaling().get());
        }
        if (weights.has(ROPE_FACTORS)) {
            var factors = new float[inverse.length];
            Tensor tensor = weights.vector(ROPE_FACTORS, factors.length);
            context.kernels().widen(tensor.dtype(), tensor.data(), factors, factors.length);
            inverse = RotaryFrequencies.divided(inverse, factors);
        }
        return inverse;
    }

    private RmsNorm norm(String name, int values) {
        return new RmsNorm(context, weights.vector(name, values), config.normEpsilon());
    }

    private static String name(int layer, String rest) {
        return "model.layers." + layer + "." + rest;
    }
}
