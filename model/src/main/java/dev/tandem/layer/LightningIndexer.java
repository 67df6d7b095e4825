package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Indexer;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.scalar.LayerNorm;
import dev.tandem.kernel.scalar.PlainOperations;
import java.util.List;

/**
 * Chooses the positions that a row of sparse attention reads (DeepSeek-V3.2-Exp, section 2.1): few small heads compare the row with one
 * small key a token, which has a cache plane of its own, and weigh their positive scores. Whole on every rank: ranks of a group choose
 * alike. Its rotary embedding is half-split, over the first values of a head, with the frequencies of the attention that it serves.
 */
public final class LightningIndexer {
    private static final float KEY_NORM_EPSILON = 1e-6f; // whatever the configuration says of other norms

    private final RankContext context;
    private final Form form;
    private final RotaryEmbedding rotary;
    private final IndexerScratch scratch;
    private final ShardedLinear query;
    private final ShardedLinear key;
    private final ShardedLinear headWeights;
    private final LayerNorm keyNorm;
    private final HeadColumns heads;
    private final float scale;

    /**
     * What an indexer works on.
     *
     * @param plane the pool's plane of this layer's index keys
     * @param sizes its heads
     */
    public record Form(int plane, Indexer sizes) {}

    public LightningIndexer(
            RankContext context, IndexerWeights weights, Form form, RotaryEmbedding rotary, IndexerScratch scratch) {
        this.context = context;
        this.form = form;
        this.rotary = rotary;
        this.scratch = scratch;
        this.query = ShardedLinear.replicated(context, weights.query());
        this.key = ShardedLinear.replicated(context, weights.key());
        this.headWeights = ShardedLinear.replicated(context, weights.headWeights());
        this.keyNorm = new LayerNorm(weights.keyNorm(), weights.keyNormBias(), KEY_NORM_EPSILON);
        this.heads = new HeadColumns(0, form.sizes.headDim());
        this.scale = (float) (1 / Math.sqrt((double) form.sizes.headDim() * form.sizes.heads()));
    }

    /** What is computed of the layer's normed input before {@link #store}: keys, and weights of the heads. */
    List<LinearPart> fromHidden() {
        return List.of(key.into(scratch.key(), 0), headWeights.into(scratch.headWeights(), 0));
    }

    /** What is computed of the normed latent of the query before {@link #select}. */
    LinearPart fromQueryLatent() {
        return query.into(scratch.query(), 0);
    }

    /** Stores the rows' index keys; the weights of the heads wait in the scratch. */
    void store(StepRows rows) {
        int count = rows.count();
        Matrix keys = scratch.key();
        keyNorm.apply(keys, count);
        rotary.forwardFirst(keys, rows, heads, 1);
        PlainOperations.storeKv(keys, count, 0, rows.plane(form.plane), rows.slots());
        scale(scratch.headWeights(), count);
    }

    private void scale(Matrix values, int rows) {
        for (int i = 0; i < values.offset(rows); i++) {
            values.values()[i] *= scale;
        }
    }

    /** The positions of every row, valid until the next call on any indexer with this scratch. */
    SelectedPositions select(StepRows rows) {
        Matrix queries = scratch.query();
        rotary.forwardFirst(queries, rows, heads, form.sizes.heads());
        context.kernels()
                .selectPositions(
                        queries,
                        scratch.headWeights(),
                        rows.plane(form.plane),
                        rows.attentionRows(),
                        scratch.selected());
        return scratch.selected();
    }
}
