package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.LayerNorm;
import dev.tandem.layer.ExpertChoice;
import dev.tandem.layer.FeedForward;
import dev.tandem.layer.LatentAttention;
import dev.tandem.layer.LightningIndexer;
import dev.tandem.layer.LinearGroup;
import dev.tandem.layer.MixtureOfExperts;
import dev.tandem.layer.Mlp;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.RotaryEmbedding;
import dev.tandem.layer.Router;
import dev.tandem.layer.ShardedLinear;
import dev.tandem.layer.SharedExpert;
import dev.tandem.layer.StepRows;
import dev.tandem.layer.Workspace;
import dev.tandem.parallel.GatherBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * DeepSeek-V3.2 (DeepSeek-V3.2-Exp, section 2.1): as {@link DeepSeekV3Graph}, but rows attend only to the positions that a lightning indexer
 * chooses for them. The indexer caches a small key of its own per token and turns its heads by halves, where latent attention turns
 * neighbouring pairs, with the same frequencies.
 */
final class DeepSeekV32Graph implements DecoderGraph {
    private static final float INNER_NORM_EPSILON = 1e-6f; // of norms inside attention, whatever the configuration says

    private final RankContext context;
    private final ModelConfig config;
    private final RotaryEmbedding rotary;
    private final LatentAttention attention;
    private final LightningIndexer indexer;
    private final Matrix queryLatent; // [maxRows, queryRank]
    private final Experts experts;
    private final ExpertChoice choice; // of the running layer
    private final Matrix normed; // [maxRows, hidden] input of attention and of feed-forward
    private final GatherBuffer added; // [maxRows, hidden] their output

    private final Tensor embedding; // [vocabulary, hidden]
    private final List<Layer> layers = new ArrayList<>();
    private final RmsNorm finalNorm;
    private final ShardedLinear head; // [vocabulary of this rank, hidden]

    DeepSeekV32Graph(RankContext context, Weights weights, Workspace workspace, RotaryTables tables, int maxPositions) {
        this.context = context;
        this.config = weights.config();
        Latent sizes = (Latent) config.attention();
        this.rotary = RotaryEmbedding.of(context, sizes.rope(), sizes.sizes().rotary(), maxPositions, tables);
        this.attention = new LatentAttention(context, sizes, workspace);
        this.indexer = new LightningIndexer(context, sizes.indexer().orElseThrow(), maxPositions, workspace);
        this.queryLatent = workspace.matrix("query latent", sizes.sizes().queryRank());
        this.experts = config.feedForward().experts().orElseThrow();
        this.choice = new ExpertChoice(workspace.maxRows(), experts);
        this.normed = workspace.matrix("normed", config.hiddenSize());
        this.added = workspace.gathered("added", config.hiddenSize());

        this.embedding = weights.tensor("model.embed_tokens.weight");
        for (int index = 0; index < config.layers(); index++) {
            layers.add(new Layer(index, weights.layer(index), workspace));
        }
        this.finalNorm = weights.norm("model.norm.weight");
        this.head = weights.sharded(config.tiesEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
    }

    @Override
    public void embed(StepRows rows, Matrix x) {
        context.kernels().embed(rows.tokenIds(), rows.count(), embedding, x);
    }

    @Override
    public List<Layer> layers() {
        return layers;
    }

    @Override
    public void logits(Matrix x, int rows, GatherBuffer logits) {
        finalNorm.forward(x, rows, x);
        head.forwardWhole(x, rows, logits);
    }

    /** What the rows of the running layer choose. */
    ExpertChoice choice() {
        return choice;
    }

    /** Positions that the rows of the running layer attend to. */
    SelectedPositions selected() {
        return indexer.selected();
    }

    final class Layer implements DecoderGraph.Layer {
        private final int plane; // of the pool: latents here, rotary keys and index keys in the next two
        private final RmsNorm inputNorm;
        private final LinearGroup fromHidden; // to the latents of the query and of the cache, and to the indexer
        private final RmsNorm queryNorm; // [queryRank]
        private final RmsNorm keyValueNorm; // [latent]
        private final LayerNorm indexKeyNorm;
        private final LinearGroup fromQueryLatent; // to queries of attention and of the indexer
        private final HeadWeight keyUp; // [plain, latent] per head
        private final HeadWeight valueUp; // [value, latent] per head
        private final ShardedLinear output; // [hidden of this rank, heads * value]
        private final RmsNorm postAttentionNorm;
        private final FeedForward feedForward;

        Layer(int index, Weights weights, Workspace workspace) {
            Tensor keyValueUp = weights.tensor("self_attn.kv_b_proj.weight"); // [heads * (plain + value), latent]
            this.plane = 3 * index;
            this.inputNorm = weights.norm("input_layernorm.weight");
            this.fromHidden = new LinearGroup(
                    context,
                    weights.replicated("self_attn.q_a_proj.weight").into(queryLatent, 0), // [queryRank, hidden]
                    attention.keyValueDown(weights.linear("self_attn.kv_a_proj_with_mqa.weight")),
                    indexer.keys(weights.linear("self_attn.indexer.wk.weight")),
                    indexer.headWeights(weights.linear("self_attn.indexer.weights_proj.weight")));
            this.queryNorm = weights.norm("self_attn.q_a_layernorm.weight", INNER_NORM_EPSILON);
            this.keyValueNorm = weights.norm("self_attn.kv_a_layernorm.weight", INNER_NORM_EPSILON);
            this.indexKeyNorm = new LayerNorm(
                    weights.tensor("self_attn.indexer.k_norm.weight"), // [index headDim]
                    weights.tensor("self_attn.indexer.k_norm.bias"), // [index headDim]
                    INNER_NORM_EPSILON);
            this.fromQueryLatent = new LinearGroup(
                    context,
                    attention.queryUp(weights.linear("self_attn.q_b_proj.weight")),
                    indexer.queries(weights.linear("self_attn.indexer.wq_b.weight")));
            this.keyUp = attention.keyUp(keyValueUp);
            this.valueUp = attention.valueUp(keyValueUp);
            this.output = weights.sharded("self_attn.o_proj.weight");
            this.postAttentionNorm = weights.norm("post_attention_layernorm.weight");
            this.feedForward = config.feedForward().expertsOf(index).isPresent()
                    ? mixture(index, weights, workspace)
                    : new Mlp(context, weights.swiGlu("mlp."), workspace);
        }

        private FeedForward mixture(int index, Weights weights, Workspace workspace) {
            var router = new Router(
                    context,
                    weights.tensor("mlp.gate.weight"), // [experts, hidden]
                    weights.tensor("mlp.gate.e_score_correction_bias"), // [experts]
                    choice,
                    workspace);
            FeedForward chosen = MixtureOfExperts.of(
                    context, router, weights.experts("mlp.experts.", experts.count()), index, workspace);
            return experts.dense().sharedSize() == 0
                    ? chosen
                    : new SharedExpert(context, chosen, weights.swiGlu("mlp.shared_experts."), workspace);
        }

        @Override
        public void store(Matrix x, StepRows rows) {
            inputNorm.forward(x, rows.count(), normed);
            fromHidden.forward(normed, rows.count());
            keyValueNorm.forward(attention.keyValue(), rows.count(), attention.keyValue());
            rotary.forwardInterleaved(attention.rotaryKey(), rows);
            attention.store(plane, rows);
            indexKeyNorm.apply(indexer.key().matrix(), rows.count());
            rotary.forward(indexer.key(), rows);
            indexer.store(plane + 2, rows);
            queryNorm.forward(queryLatent, rows.count(), queryLatent);
        }

        @Override
        public void finish(Matrix x, StepRows rows) {
            fromQueryLatent.forward(queryLatent, rows.count());
            rotary.forwardInterleaved(attention.rotaryQuery(), rows);
            attention.absorb(keyUp, rows.count());
            rotary.forward(indexer.query(), rows);
            attention.mix(plane, rows, indexer.select(plane + 2, rows));
            Matrix attended = attention.values(valueUp, rows.count()); // [rows, heads * value]
            output.forwardWhole(attended, rows.count(), added);
            context.add(x, added, rows.count());
            postAttentionNorm.forward(x, rows.count(), normed);
            feedForward.forward(normed, rows.count(), added);
            context.add(x, added, rows.count());
        }
    }
}
