package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.Tensor;
import dev.tandem.layer.GroupedQueryAttention;
import dev.tandem.layer.LinearGroup;
import dev.tandem.layer.Mlp;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.RotaryEmbedding;
import dev.tandem.layer.RotaryFrequencies;
import dev.tandem.layer.ShardedLinear;
import dev.tandem.layer.StepRows;
import dev.tandem.layer.Workspace;
import dev.tandem.parallel.GatherBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Llama 2 and 3 (arXiv:2407.21783, section 3.2; transformers, {@code modeling_llama.py}), and what has their shape (SmolLM2): grouped-query
 * attention over heads as they are projected, and dense feed-forward layers.
 */
final class LlamaGraph implements DecoderGraph {
    private final RankContext context;
    private final boolean hasNeighbouringPairs; // GGUF files of this family have their own order of query and key rows
    private final RotaryEmbedding rotary;
    private final GroupedQueryAttention attention;
    private final Matrix normed; // [maxRows, hidden] input of attention and of feed-forward
    private final GatherBuffer added; // [maxRows, hidden] their output

    private final Tensor embedding; // [vocabulary, hidden]
    private final List<Layer> layers = new ArrayList<>();
    private final RmsNorm finalNorm;
    private final ShardedLinear head; // [vocabulary of this rank, hidden]

    LlamaGraph(RankContext context, Weights weights, Workspace workspace, RotaryTables tables, int maxPositions) {
        ModelConfig config = weights.config();
        GroupedQuery sizes = (GroupedQuery) config.attention();
        this.context = context;
        this.hasNeighbouringPairs = weights.permutesRotaryRows();
        this.rotary = rotary(sizes, weights.find("rope_freqs.weight"), tables, maxPositions);
        this.attention = new GroupedQueryAttention(context, sizes, workspace);
        this.normed = workspace.matrix("normed", config.hiddenSize());
        this.added = workspace.gathered("added", config.hiddenSize());

        this.embedding = weights.tensor("model.embed_tokens.weight");
        for (int index = 0; index < config.layers(); index++) {
            layers.add(new Layer(index, weights.layer(index), workspace));
        }
        this.finalNorm = weights.norm("model.norm.weight");
        this.head = weights.sharded(config.tiesEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
    }

    /** @param factors GGUF files carry the scaling of Llama 3.1 as factors that divide the frequencies: [headDim / 2] */
    private RotaryEmbedding rotary(
            GroupedQuery sizes, Optional<Tensor> factors, RotaryTables tables, int maxPositions) {
        double[] inverse = RotaryFrequencies.of(sizes.rope(), sizes.headDim()); // [headDim / 2]
        if (factors.isPresent()) {
            var values = new float[inverse.length];
            context.kernels().widen(factors.get().dtype(), factors.get().data(), values, values.length);
            inverse = RotaryFrequencies.divided(inverse, values);
        }
        return new RotaryEmbedding(context, tables.of(inverse, maxPositions, 1));
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

    final class Layer implements DecoderGraph.Layer {
        private final int plane; // of the pool: keys here, values in the next one
        private final RmsNorm inputNorm;
        private final LinearGroup queryKeyValue;
        private final ShardedLinear output; // [hidden of this rank, heads * headDim]
        private final RmsNorm postAttentionNorm;
        private final Mlp mlp;

        Layer(int index, Weights weights, Workspace workspace) {
            this.plane = 2 * index;
            this.inputNorm = weights.norm("input_layernorm.weight");
            this.queryKeyValue = attention.projections(
                    weights.linear("self_attn.q_proj.weight"), // [heads * headDim, hidden]
                    weights.linear("self_attn.k_proj.weight"), // [kvHeads * headDim, hidden]
                    weights.linear("self_attn.v_proj.weight")); // [kvHeads * headDim, hidden]
            this.output = weights.sharded("self_attn.o_proj.weight");
            this.postAttentionNorm = weights.norm("post_attention_layernorm.weight");
            this.mlp = new Mlp(context, weights.swiGlu("mlp."), workspace);
        }

        @Override
        public void store(Matrix x, StepRows rows) {
            inputNorm.forward(x, rows.count(), normed);
            queryKeyValue.forward(normed, rows.count());
            if (hasNeighbouringPairs) {
                attention.splitPairs(rows.count());
            }
            rotary.forward(attention.query(), rows);
            rotary.forward(attention.key(), rows);
            attention.store(plane, rows);
        }

        @Override
        public void finish(Matrix x, StepRows rows) {
            Matrix attended = attention.attend(plane, rows); // [rows, heads * headDim]
            output.forwardWhole(attended, rows.count(), added);
            context.add(x, added, rows.count());
            postAttentionNorm.forward(x, rows.count(), normed);
            mlp.forward(normed, rows.count(), added);
            context.add(x, added, rows.count());
        }
    }
}
