package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Shard;
import java.util.ArrayList;
import java.util.Optional;

/**
 * Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1), always in absorbed form: a query head is brought into the space
 * of the latents and compared with them, and values are made of the mixed latents, so keys and values of a head never exist. One form for
 * prompts and for single tokens: two would round differently, and then results would depend on how a prompt is cut.
 *
 * <p>With W_k and W_v the two halves of a head's part of {@code kv_b_proj}: {@code score = (W_k' q_plain) . latent + q_rotary . k_rotary},
 * {@code out = W_v (sum of p_s latent_s)}.
 */
public final class LatentAttention implements Attention {
    private final RankContext context;
    private final LatentForm form;
    private final RotaryEmbedding rotary;
    private final Optional<LightningIndexer> indexer;
    private final LatentScratch scratch;

    private final LinearGroup fromHidden; // down projections, and what the indexer makes of the same rows
    private final LinearGroup fromQueryLatent; // queries, and the indexer's
    private final RmsNorm queryNorm;
    private final RmsNorm latentNorm;
    private final HeadWeight keyUp; // a head: [plain, latent]
    private final HeadWeight valueUp; // a head: [value, latent]
    private final ShardedLinear output;

    private final LatentShape shape;
    private final HeadColumns projectedHeads;
    private final HeadColumns projectedRotary;
    private final HeadColumns absorbedHeads;
    private final HeadColumns mixedHeads;
    private final HeadColumns attendedHeads;
    private final HeadColumns rotaryKey;

    /** @param rotary of the rotary parts of queries and keys */
    public LatentAttention(
            RankContext context,
            LatentWeights weights,
            LatentForm form,
            RotaryEmbedding rotary,
            LatentScratch scratch) {
        LatentHeads heads = form.heads();
        LatentSizes sizes = heads.sizes();
        this.context = context;
        this.form = form;
        this.rotary = rotary;
        this.indexer = form.indexer();
        this.scratch = scratch;
        this.fromHidden = fromHidden(context, weights, indexer, scratch);
        this.fromQueryLatent = fromQueryLatent(context, weights, heads, indexer, scratch);
        this.queryNorm = weights.query().down().norm();
        this.latentNorm = weights.keyValue().norm();
        Shard upRows = heads.rows(sizes.plain() + sizes.value());
        Tensor up = weights.keyValueUp().slice(upRows.from(), upRows.to());
        this.keyUp = new HeadWeight(up, heads.count(), 0, sizes.plain());
        this.valueUp = new HeadWeight(up, heads.count(), sizes.plain(), sizes.value());
        this.output = ShardedLinear.byRank(context, weights.output());
        this.shape = new LatentShape(heads.count(), sizes.latent(), sizes.rotary(), form.scale());
        this.projectedHeads = new HeadColumns(0, sizes.query());
        this.projectedRotary = new HeadColumns(sizes.plain(), sizes.query());
        this.absorbedHeads = new HeadColumns(0, sizes.cached());
        this.mixedHeads = new HeadColumns(0, sizes.latent());
        this.attendedHeads = new HeadColumns(0, sizes.value());
        this.rotaryKey = new HeadColumns(sizes.latent(), sizes.cached());
    }

    private static LinearGroup fromHidden(
            RankContext context, LatentWeights weights, Optional<LightningIndexer> indexer, LatentScratch scratch) {
        var query = ShardedLinear.replicated(context, weights.query().down().weight());
        var keyValue = ShardedLinear.replicated(context, weights.keyValue().weight());
        var parts = new ArrayList<LinearPart>();
        parts.add(query.into(scratch.queryLatent(), 0));
        parts.add(keyValue.into(scratch.keyValue(), 0));
        indexer.ifPresent(some -> parts.addAll(some.fromHidden()));
        return new LinearGroup(context, parts.toArray(LinearPart[]::new));
    }

    private static LinearGroup fromQueryLatent(
            RankContext context,
            LatentWeights weights,
            LatentHeads heads,
            Optional<LightningIndexer> indexer,
            LatentScratch scratch) {
        var query = new ShardedLinear(
                context, weights.query().up(), heads.rows(heads.sizes().query()));
        var parts = new ArrayList<LinearPart>();
        parts.add(query.into(scratch.query().projected(), 0));
        indexer.ifPresent(some -> parts.add(some.fromQueryLatent()));
        return new LinearGroup(context, parts.toArray(LinearPart[]::new));
    }

    @Override
    public void store(Matrix x, StepRows rows) {
        int count = rows.count();
        Matrix keyValue = scratch.keyValue();
        fromHidden.forward(x, count);
        latentNorm.forward(keyValue, count, keyValue);
        rotary.forwardInterleaved(keyValue, rows, rotaryKey, 1);
        storePlane(keyValue, rows, 0, form.firstPlane());
        storePlane(keyValue, rows, shape.latent(), form.firstPlane() + 1);
        indexer.ifPresent(some -> some.store(rows));
        queryNorm.forward(scratch.queryLatent(), count, scratch.queryLatent());
    }

    private void storePlane(Matrix from, StepRows rows, int column, int plane) {
        PlainOperations.storeKv(from, rows.count(), column, rows.plane(plane), rows.slots());
    }

    @Override
    public void attend(StepRows rows, GatherBuffer out) {
        int count = rows.count();
        absorbQueries(rows);
        mixLatents(rows);
        context.kernels()
                .headLinear(
                        scratch.query().mixed(),
                        mixedHeads,
                        count,
                        valueUp,
                        scratch.attended().part(),
                        attendedHeads);
        scratch.attended().gather(context.collective(), count);
        output.forwardWhole(scratch.attended().whole(), count, out);
    }

    /** Queries as they are compared with the cache: [latent | rotary] a head. */
    private void absorbQueries(StepRows rows) {
        int count = rows.count();
        Matrix projected = scratch.query().projected();
        Matrix absorbed = scratch.query().absorbed();
        fromQueryLatent.forward(scratch.queryLatent(), count);
        rotary.forwardInterleaved(projected, rows, projectedRotary, shape.heads());
        context.kernels().headMix(projected, projectedHeads, count, keyUp, absorbed, absorbedHeads);
        int plain = keyUp.rows();
        for (int row = 0; row < count; row++) {
            for (int head = 0; head < shape.heads(); head++) {
                System.arraycopy(
                        projected.values(),
                        projected.offset(row) + head * (plain + shape.rotary()) + plain,
                        absorbed.values(),
                        absorbed.offset(row) + head * shape.query() + shape.latent(),
                        shape.rotary());
            }
        }
    }

    private void mixLatents(StepRows rows) {
        KvPlaneView latents = rows.plane(form.firstPlane());
        KvPlaneView rotaryKeys = rows.plane(form.firstPlane() + 1);
        Matrix absorbed = scratch.query().absorbed();
        Matrix mixed = scratch.query().mixed();
        if (indexer.isPresent()) {
            SelectedPositions selected = indexer.get().select(rows);
            context.kernels()
                    .sparseLatentAttention(absorbed, mixed, latents, rotaryKeys, rows.attentionRows(), shape, selected);
        } else {
            context.kernels().latentAttention(absorbed, mixed, latents, rotaryKeys, rows.attentionRows(), shape);
        }
    }
}
