package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.Tensor;
import dev.tandem.layer.ExpertChoice;
import dev.tandem.layer.FeedForward;
import dev.tandem.layer.LatentAttention;
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
 * DeepSeek-V3 (arXiv:2412.19437, section 2.1; transformers, {@code modeling_deepseek_v3.py}): multi-head latent attention, whose cache holds
 * one latent and one rotary key per token; the first layers dense, the others mixtures of experts beside a shared one.
 */
final class DeepSeekV3Graph implements DecoderGraph {
    private static final float INNER_NORM_EPSILON = 1e-6f; // of norms inside attention, whatever the configuration says

    private final RankContext context;
    private final ModelConfig config;
    private final RotaryEmbedding rotary;
    private final LatentAttention attention;
    private final Matrix queryLatent; // [maxRows, queryRank]
    private final Experts experts;
    private final ExpertChoice choice; // of the running layer
    private final Matrix normed; // [maxRows, hidden] input of attention and of feed-forward
    private final GatherBuffer added; // [maxRows, hidden] their output

    private final Tensor embedding; // [vocabulary, hidden]
    private final List<Layer> layers = new ArrayList<>();
    private final RmsNorm finalNorm;
    private final ShardedLinear head; // [vocabulary of this rank, hidden]

    DeepSeekV3Graph(RankContext context, Weights weights, Workspace workspace, RotaryTables tables, int maxPositions) {
        this.context = context;
        this.config = weights.config();
        Latent sizes = (Latent) config.attention();
        this.rotary = RotaryEmbedding.of(context, sizes.rope(), sizes.sizes().rotary(), maxPositions, tables);
        this.attention = new LatentAttention(context, sizes, workspace);
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

    final class Layer implements DecoderGraph.Layer {
        private final int plane; // of the pool: latents here, rotary keys in the next one
        private final RmsNorm inputNorm;
        private final LinearGroup fromHidden; // to the latents of the query and of the cache
        private final RmsNorm queryNorm; // [queryRank]
        private final RmsNorm keyValueNorm; // [latent]
        private final LinearGroup fromQueryLatent; // to queries
        private final HeadWeight keyUp; // [plain, latent] per head
        private final HeadWeight valueUp; // [value, latent] per head
        private final ShardedLinear output; // [hidden of this rank, heads * value]
        private final RmsNorm postAttentionNorm;
        private final FeedForward feedForward;

        Layer(int index, Weights weights, Workspace workspace) {
            Tensor keyValueUp = weights.tensor("self_attn.kv_b_proj.weight"); // [heads * (plain + value), latent]
            this.plane = 2 * index;
            this.inputNorm = weights.norm("input_layernorm.weight");
            this.fromHidden = new LinearGroup(
                    context,
                    weights.replicated("self_attn.q_a_proj.weight").into(queryLatent, 0), // [queryRank, hidden]
                    attention.keyValueDown(weights.linear("self_attn.kv_a_proj_with_mqa.weight")));
            this.queryNorm = weights.norm("self_attn.q_a_layernorm.weight", INNER_NORM_EPSILON);
            this.keyValueNorm = weights.norm("self_attn.kv_a_layernorm.weight", INNER_NORM_EPSILON);
            this.fromQueryLatent =
                    new LinearGroup(context, attention.queryUp(weights.linear("self_attn.q_b_proj.weight")));
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
            queryNorm.forward(queryLatent, rows.count(), queryLatent);
        }

        @Override
        public void finish(Matrix x, StepRows rows) {
            fromQueryLatent.forward(queryLatent, rows.count());
            rotary.forwardInterleaved(attention.rotaryQuery(), rows);
            attention.absorb(keyUp, rows.count());
            attention.mix(plane, rows);
            Matrix attended = attention.values(valueUp, rows.count()); // [rows, heads * value]
            output.forwardWhole(attended, rows.count(), added);
            context.add(x, added, rows.count());
            postAttentionNorm.forward(x, rows.count(), normed);
            feedForward.forward(normed, rows.count(), added);
            context.add(x, added, rows.count());
        }
    }
}
