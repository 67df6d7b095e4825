package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.Tensor;
import dev.tandem.layer.Attention;
import dev.tandem.layer.AttentionForm;
import dev.tandem.layer.AttentionScratch;
import dev.tandem.layer.AttentionWeights;
import dev.tandem.layer.AttentionWeights.HeadNorms;
import dev.tandem.layer.DecoderLayer;
import dev.tandem.layer.Embedding;
import dev.tandem.layer.ExpertBank;
import dev.tandem.layer.ExpertChoice;
import dev.tandem.layer.ExpertScratch;
import dev.tandem.layer.FeedForward;
import dev.tandem.layer.GroupedQueryAttention;
import dev.tandem.layer.HeadOrder;
import dev.tandem.layer.HeadShards;
import dev.tandem.layer.MixtureOfExperts;
import dev.tandem.layer.Mlp;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.RemoteExpertScratch;
import dev.tandem.layer.RemoteExperts;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.RotaryEmbedding;
import dev.tandem.layer.RotaryFrequencies;
import dev.tandem.layer.RouterWeights;
import dev.tandem.layer.ShardedLinear;
import dev.tandem.layer.SharedExpert;
import dev.tandem.layer.SwiGluScratch;
import dev.tandem.layer.SwiGluWeights;
import dev.tandem.model.DecoderStack.Choices;
import dev.tandem.parallel.ExpertExchange;
import dev.tandem.parallel.GatherBuffer;
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
    private final RotaryTables tables;
    private final ModelConfig config;
    private final Weights weights;
    private final HeadOrder headOrder;

    /** @param tables of the process */
    DecoderParts(Checkpoint checkpoint, RankContext context, StepLimits limits, RotaryTables tables) {
        this.context = context;
        this.limits = limits;
        this.tables = tables;
        this.config = checkpoint.config();
        this.weights = new Weights(checkpoint);
        partition(config, context.experts().isPresent()).require(context.rank().tpSize());
        this.headOrder = checkpoint.permutesRotaryRows() ? HeadOrder.INTERLEAVED : HeadOrder.HALF_SPLIT;
    }

    /**
     * What tensor-parallel ranks cut.
     *
     * @param hasExpertParallel experts are whole on their ranks
     */
    static Partition partition(ModelConfig config, boolean hasExpertParallel) {
        var sizes = new LinkedHashMap<String, Integer>();
        sizes.put("query heads", config.attention().heads());
        sizes.put("hidden size", config.hiddenSize());
        config.feedForward()
                .experts()
                .ifPresentOrElse(
                        experts -> {
                            if (experts.dense().layers() > 0) {
                                sizes.put(
                                        "intermediate size",
                                        config.feedForward().intermediateSize());
                            }
                            if (experts.dense().sharedSize() > 0) {
                                sizes.put("shared expert size", experts.dense().sharedSize());
                            }
                            if (!hasExpertParallel) {
                                sizes.put("expert intermediate size", experts.intermediateSize());
                            }
                        },
                        () -> sizes.put(
                                "intermediate size", config.feedForward().intermediateSize()));
        sizes.put("vocabulary", config.vocabularySize());
        return new Partition(sizes, config.attention().kvHeads());
    }

    /** Llama 2 and 3, and what has their shape (SmolLM2): dense layers, heads as projected. */
    Decoder llama() {
        return groupedQuery(layer -> Optional.empty(), mlps(), Optional.empty());
    }

    /** Qwen3: dense layers, query and key heads normed before the rotary embedding. */
    Decoder qwen3() {
        return groupedQuery(this::headNorms, mlps(), Optional.empty());
    }

    /** Qwen3-MoE: as Qwen3, every feed-forward layer a mixture of experts. */
    Decoder qwen3Moe() {
        Mixtures mixtures = mixturesOfExperts();
        return groupedQuery(this::headNorms, mixtures.layers(), Optional.of(mixtures.choice()));
    }

    /**
     * DeepSeek-V3 and V3.2: latent attention, over positions that an indexer chooses in V3.2; first layers dense, the others mixtures of
     * experts beside a shared one.
     */
    Decoder deepSeek() {
        if (!(config.attention() instanceof Latent attention)) {
            throw new IllegalStateException(config.architecture() + " with " + config.attention());
        }
        var attentions = new LatentParts(context, limits, attention, weights, tables);
        Mixtures mixtures = mixturesOfExperts();
        boolean hasDense = config.feedForward().expertsOf(0).isEmpty();
        IntFunction<FeedForward> mlps = hasDense ? mlps() : mixtures.layers();
        return stacked(
                attentions::attention,
                layer -> (config.feedForward().expertsOf(layer).isPresent() ? mixtures.layers() : mlps).apply(layer),
                new Choices(attentions.selected(), Optional.of(mixtures.choice())));
    }

    /** @param headNorms norms of a layer's query and key heads */
    private Decoder groupedQuery(
            IntFunction<Optional<HeadNorms>> headNorms,
            IntFunction<FeedForward> feedForwards,
            Optional<ExpertChoice> choice) {
        if (!(config.attention() instanceof GroupedQuery attention)) {
            throw new IllegalStateException(config.architecture() + " with " + config.attention());
        }
        HeadShards heads = HeadShards.of(context.rank(), attention);
        var rotary = new RotaryEmbedding(context, tables.of(inverseFrequencies(attention), limits.maxModelLength(), 1));
        AttentionScratch scratch = AttentionScratch.of(context.rank(), limits.maxRows(), heads);
        return stacked(
                layer -> new GroupedQueryAttention(
                        context,
                        attentionWeights(layer, headNorms.apply(layer)),
                        new AttentionForm(layer, heads, headOrder),
                        rotary,
                        scratch),
                feedForwards,
                new Choices(Optional.empty(), choice));
    }

    private Decoder stacked(IntFunction<Attention> attentions, IntFunction<FeedForward> feedForwards, Choices choices) {
        Tensor table = weights.tensor("model.embed_tokens.weight");
        var layers = new ArrayList<DecoderLayer>();
        for (int layer = 0; layer < config.layers(); layer++) {
            layers.add(new DecoderLayer(
                    context,
                    norm(name(layer, "input_layernorm.weight")),
                    attentions.apply(layer),
                    norm(name(layer, "post_attention_layernorm.weight")),
                    feedForwards.apply(layer)));
        }
        LinearWeight head = config.tiesEmbeddings() ? table : weights.linear("lm_head.weight");
        var stack = new DecoderStack(
                new Embedding(context, table),
                layers,
                norm("model.norm.weight"),
                ShardedLinear.byRank(context, head),
                choices);
        weights.requireAllRead();
        return new Decoder(context, config, limits, stack);
    }

    /** Every query and key head is normed before the rotary embedding. */
    private Optional<HeadNorms> headNorms(int layer) {
        return Optional.of(new HeadNorms(
                norm(name(layer, "self_attn.q_norm.weight")), norm(name(layer, "self_attn.k_norm.weight"))));
    }

    /** Dense feed-forward layers. */
    private IntFunction<FeedForward> mlps() {
        int inner = config.feedForward().intermediateSize();
        SwiGluScratch scratch = SwiGluScratch.of(context.rank(), limits.maxRows(), inner);
        return layer -> new Mlp(context, swiGlu(name(layer, "mlp.")), scratch);
    }

    /** Mixtures of experts by layer, and what the running one of them chooses. */
    private record Mixtures(IntFunction<FeedForward> layers, ExpertChoice choice) {}

    /** Mixtures of experts, for layers that have them, with a shared expert where the model has one. */
    private Mixtures mixturesOfExperts() {
        Experts experts = config.feedForward()
                .experts()
                .orElseThrow(() -> new IllegalStateException(config.architecture() + " without experts"));
        Mixtures chosen = context.experts()
                .map(exchange -> remoteExperts(exchange, experts))
                .orElseGet(() -> localExperts(experts));
        int sharedSize = experts.dense().sharedSize();
        if (sharedSize == 0) {
            return chosen;
        }
        SwiGluScratch scratch = SwiGluScratch.of(context.rank(), limits.maxRows(), sharedSize);
        GatherBuffer result = GatherBuffer.of(context.rank(), limits.maxRows(), config.hiddenSize());
        return new Mixtures(
                layer -> new SharedExpert(
                        context,
                        chosen.layers().apply(layer),
                        new Mlp(context, swiGlu(name(layer, "mlp.shared_experts.")), scratch),
                        result),
                chosen.choice());
    }

    private Mixtures localExperts(Experts experts) {
        ExpertScratch scratch = ExpertScratch.of(context.rank(), limits.maxRows(), config.hiddenSize(), experts);
        return new Mixtures(
                layer -> new MixtureOfExperts(context, router(layer, experts), experts(layer), scratch),
                scratch.choice());
    }

    private Mixtures remoteExperts(ExpertExchange exchange, Experts experts) {
        var scratch = RemoteExpertScratch.of(context.rank().tpSize(), limits.maxRows(), config.hiddenSize(), experts);
        IntFunction<FeedForward> layers = layer -> {
            experts(layer); // whoever owns them has them from the same checkpoint: here they are only checked
            return new RemoteExperts(context, exchange, router(layer, experts), layer, scratch);
        };
        return new Mixtures(layers, scratch.choice());
    }

    private RouterWeights router(int layer, Experts experts) {
        Optional<Tensor> correction = experts.routing().scoring() == Scoring.SIGMOID
                ? Optional.of(weights.tensor(name(layer, "mlp.gate.e_score_correction_bias")))
                : Optional.empty();
        return new RouterWeights(weights.tensor(name(layer, "mlp.gate.weight")), correction);
    }

    /** Experts of all layers, to be computed whole by one thread; see {@link ModelLoader#experts}. */
    ExpertBank expertBank() {
        Experts experts = config.feedForward()
                .experts()
                .orElseThrow(() -> new IllegalArgumentException(config.architecture() + " has no experts"));
        var byLayer = new ArrayList<List<SwiGluWeights>>();
        for (int layer = 0; layer < config.layers(); layer++) {
            byLayer.add(experts(layer));
        }
        SwiGluScratch scratch = SwiGluScratch.of(context.rank(), limits.maxRows(), experts.intermediateSize());
        return new ExpertBank(context, byLayer, scratch, limits.maxRows());
    }

    /** Experts of a layer, none of a dense one. Hugging Face has three tensors an expert, GGUF three stacks a layer. */
    private List<SwiGluWeights> experts(int layer) {
        int count = config.feedForward().expertsOf(layer).map(Experts::count).orElse(0);
        String prefix = name(layer, "mlp.experts.");
        var experts = new ArrayList<SwiGluWeights>();
        if (weights.find(prefix + "gate_proj.weight").isPresent()) {
            Tensor gates = weights.tensor(prefix + "gate_proj.weight");
            Tensor ups = weights.tensor(prefix + "up_proj.weight");
            Tensor downs = weights.tensor(prefix + "down_proj.weight");
            for (int expert = 0; expert < count; expert++) {
                experts.add(new SwiGluWeights(gates.entry(expert), ups.entry(expert), downs.entry(expert)));
            }
        } else {
            for (int expert = 0; expert < count; expert++) {
                experts.add(swiGlu(prefix + expert + "."));
            }
        }
        return experts;
    }

    private SwiGluWeights swiGlu(String prefix) {
        return new SwiGluWeights(
                weights.linear(prefix + "gate_proj.weight"),
                weights.linear(prefix + "up_proj.weight"),
                weights.linear(prefix + "down_proj.weight"));
    }

    private AttentionWeights attentionWeights(int layer, Optional<HeadNorms> headNorms) {
        return new AttentionWeights(
                weights.linear(name(layer, "self_attn.q_proj.weight")),
                weights.linear(name(layer, "self_attn.k_proj.weight")),
                weights.linear(name(layer, "self_attn.v_proj.weight")),
                weights.linear(name(layer, "self_attn.o_proj.weight")),
                headNorms);
    }

    private double[] inverseFrequencies(GroupedQuery attention) {
        double[] inverse = RotaryFrequencies.plain(attention.rope().theta(), attention.headDim());
        if (attention.rope().scaling().isPresent()) {
            inverse = switch (attention.rope().scaling().get()) {
                case Llama3Scaling llama3 -> RotaryFrequencies.llama3(inverse, llama3);
                case YarnScaling yarn -> throw new IllegalStateException("grouped query attention with " + yarn);
            };
        }
        Optional<Tensor> factors = weights.find(ROPE_FACTORS);
        if (factors.isPresent()) {
            var values = new float[inverse.length];
            context.kernels().widen(factors.get().dtype(), factors.get().data(), values, values.length);
            inverse = RotaryFrequencies.divided(inverse, values);
        }
        return inverse;
    }

    private RmsNorm norm(String name) {
        return new RmsNorm(context, weights.tensor(name), config.normEpsilon());
    }

    private static String name(int layer, String rest) {
        return "model.layers." + layer + "." + rest;
    }
}
