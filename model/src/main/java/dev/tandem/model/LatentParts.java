package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.Rope;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.RotaryTables;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import dev.tandem.layer.Attention;
import dev.tandem.layer.IndexerScratch;
import dev.tandem.layer.IndexerWeights;
import dev.tandem.layer.LatentAttention;
import dev.tandem.layer.LatentForm;
import dev.tandem.layer.LatentHeads;
import dev.tandem.layer.LatentScratch;
import dev.tandem.layer.LatentWeights;
import dev.tandem.layer.LatentWeights.Bottleneck;
import dev.tandem.layer.LatentWeights.Down;
import dev.tandem.layer.LightningIndexer;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.RmsNorm;
import dev.tandem.layer.RotaryEmbedding;
import dev.tandem.layer.RotaryFrequencies;
import java.util.Optional;

/** Latent attention layers over a checkpoint's tensors, cut for one rank. Used once, at load. */
final class LatentParts {
    private static final float NORM_EPSILON = 1e-6f; // of norms inside attention, whatever the configuration says

    private final RankContext context;
    private final Latent attention;
    private final Weights weights;
    private final LatentHeads heads;
    private final RotaryEmbedding rotary;
    private final LatentScratch scratch;
    private final Optional<IndexerScratch> indexerScratch;

    /** @param tables of the process */
    LatentParts(RankContext context, StepLimits limits, Latent attention, Weights weights, RotaryTables tables) {
        this.context = context;
        this.attention = attention;
        this.weights = weights;
        this.heads = LatentHeads.of(context.rank(), attention);
        this.rotary = new RotaryEmbedding(context, table(tables, limits.maxModelLength()));
        this.scratch = LatentScratch.of(context.rank(), limits.maxRows(), heads);
        this.indexerScratch = attention
                .indexer()
                .map(indexer -> IndexerScratch.of(limits.maxRows(), indexer, limits.maxModelLength()));
    }

    private Optional<YarnScaling> yarn() {
        return attention.rope().scaling().map(scaling -> {
            if (scaling instanceof YarnScaling yarn) {
                return yarn;
            }
            throw new IllegalStateException("latent attention with " + scaling);
        });
    }

    private RotaryTable table(RotaryTables tables, int positions) {
        Rope rope = attention.rope();
        double[] plain = RotaryFrequencies.plain(rope.theta(), attention.sizes().rotary());
        Optional<YarnScaling> yarn = yarn();
        double[] inverse = yarn.map(scaling -> RotaryFrequencies.yarn(plain, rope.theta(), scaling))
                .orElse(plain);
        double factor = yarn.map(RotaryFrequencies::yarnTableFactor).orElse(1.0);
        return tables.of(inverse, positions, factor);
    }

    private float scoreScale() {
        double factor = yarn().map(RotaryFrequencies::yarnScoreFactor).orElse(1.0);
        return (float) (factor / Math.sqrt(attention.sizes().query()));
    }

    /** Where indexers leave the positions that they choose. */
    Optional<SelectedPositions> selected() {
        return indexerScratch.map(IndexerScratch::selected);
    }

    /** Attention of one layer. */
    Attention attention(int layer) {
        String prefix = "model.layers." + layer + ".self_attn.";
        int firstPlane = layer * KvLayouts.planesPerLayer(attention);
        var down = new Down(linear(prefix, "q_a_proj.weight"), norm(prefix, "q_a_layernorm.weight"));
        return new LatentAttention(
                context,
                new LatentWeights(
                        new Bottleneck(down, linear(prefix, "q_b_proj.weight")),
                        new Down(linear(prefix, "kv_a_proj_with_mqa.weight"), norm(prefix, "kv_a_layernorm.weight")),
                        tensor(prefix, "kv_b_proj.weight"),
                        linear(prefix, "o_proj.weight")),
                new LatentForm(
                        firstPlane,
                        heads,
                        scoreScale(),
                        indexerScratch.map(some -> indexer(prefix + "indexer.", firstPlane + 2, some))),
                rotary,
                scratch);
    }

    private LightningIndexer indexer(String prefix, int plane, IndexerScratch indexScratch) {
        return new LightningIndexer(
                context,
                new IndexerWeights(
                        linear(prefix, "wq_b.weight"),
                        linear(prefix, "wk.weight"),
                        tensor(prefix, "k_norm.weight"),
                        tensor(prefix, "k_norm.bias"),
                        linear(prefix, "weights_proj.weight")),
                new LightningIndexer.Form(plane, attention.indexer().orElseThrow()),
                rotary,
                indexScratch);
    }

    private LinearWeight linear(String prefix, String name) {
        return weights.linear(prefix + name);
    }

    private Tensor tensor(String prefix, String name) {
        return weights.tensor(prefix + name);
    }

    private RmsNorm norm(String prefix, String name) {
        return new RmsNorm(context, tensor(prefix, name), NORM_EPSILON);
    }
}
