package dev.tandem.layer;

import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.layer.AttentionWeights.HeadNorms;
import dev.tandem.parallel.GatherBuffer;
import java.util.Optional;

/**
 * Attention with several query heads to a KV head.
 */
public final class GroupedQueryAttention implements Attention {
    private final RankContext context;
    private final LinearGroup projections;
    private final ShardedLinear output;
    private final Optional<HeadNorms> headNorms;
    private final AttentionForm form;
    private final RotaryEmbedding rotary;
    private final AttentionScratch scratch;
    private final AttentionShape shape;
    private final float[] head; // [headDim] for reordering

    public GroupedQueryAttention(
            RankContext context,
            AttentionWeights weights,
            AttentionForm form,
            RotaryEmbedding rotary,
            AttentionScratch scratch) {
        HeadShards heads = form.heads();
        this.context = context;
        this.projections = projections(context, weights, heads, scratch.projected());
        this.output = ShardedLinear.byRank(context, weights.output());
        this.headNorms = weights.headNorms();
        this.form = form;
        this.rotary = rotary;
        this.scratch = scratch;
        this.shape = new AttentionShape(
                heads.query().size(), heads.kv().size(), heads.headDim(), (float) (1 / Math.sqrt(heads.headDim())));
        this.head = new float[heads.headDim()];
    }

    /** Query, key and value side by side in {@code projected}. */
    private static LinearGroup projections(
            RankContext context, AttentionWeights weights, HeadShards heads, Matrix projected) {
        var query = new ShardedLinear(context, weights.query(), heads.rows(heads.query()));
        var key = new ShardedLinear(context, weights.key(), heads.rows(heads.kv()));
        var value = new ShardedLinear(context, weights.value(), heads.rows(heads.kv()));
        int keyColumn = heads.queryColumns();
        return new LinearGroup(
                context,
                query.into(projected, 0),
                key.into(projected, keyColumn),
                value.into(projected, keyColumn + heads.kvColumns()));
    }

    @Override
    public void store(Matrix x, StepRows rows) {
        Matrix projected = scratch.projected();
        int count = rows.count();
        int keyColumn = form.heads().queryColumns();
        int valueColumn = keyColumn + form.heads().kvColumns();
        projections.forward(x, count);
        if (form.order() == HeadOrder.INTERLEAVED) {
            splitHeads(projected, count, shape.queryHeads() + shape.kvHeads());
        }
        if (headNorms.isPresent()) {
            headNorms.get().query().forwardHeads(projected, count, 0, shape.queryHeads());
            headNorms.get().key().forwardHeads(projected, count, keyColumn, shape.kvHeads());
        }
        rotary.forward(projected, rows, 0, shape.queryHeads());
        rotary.forward(projected, rows, keyColumn, shape.kvHeads());
        int plane = 2 * form.layer();
        PlainOperations.storeKv(projected, count, keyColumn, rows.plane(plane), rows.slots());
        PlainOperations.storeKv(projected, count, valueColumn, rows.plane(plane + 1), rows.slots());
    }

    @Override
    public void attend(StepRows rows, GatherBuffer out) {
        int plane = 2 * form.layer();
        GatherBuffer attended = scratch.attended();
        context.kernels()
                .attention(
                        scratch.projected(),
                        0,
                        attended.part(),
                        rows.plane(plane),
                        rows.plane(plane + 1),
                        rows.attentionRows(),
                        shape);
        attended.gather(context.collective(), rows.count());
        output.forwardWhole(attended.whole(), rows.count(), out);
    }

    /**
     * Brings interleaved query and key heads into half-split order: value 2i + j moves to j · headDim/2 + i. Values only move, so the
     * same numbers enter the same sums as with a checkpoint that is half-split to begin with.
     */
    private void splitHeads(Matrix projected, int rows, int heads) {
        float[] values = projected.values();
        int half = head.length / 2;
        for (int row = 0; row < rows; row++) {
            for (int h = 0; h < heads; h++) {
                int at = projected.offset(row) + h * head.length;
                System.arraycopy(values, at, head, 0, head.length);
                for (int i = 0; i < half; i++) {
                    values[at + i] = head[2 * i];
                    values[at + half + i] = head[2 * i + 1];
                }
            }
        }
    }
}
