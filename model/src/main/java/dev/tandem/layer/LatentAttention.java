package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Shard;

/**
 * Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1) over the paged cache, for one rank's heads. There is one per graph:
 * layers bring their weights and their planes of the cache, and pass one after the other through the same buffers.
 *
 * <p>Attention is always in absorbed form: a query head is brought into the space of the latents and compared with them, and values are
 * made of the mixed latents, so keys and values of a head never exist. There is one form for prompts and for single tokens: two would
 * round differently, and then results would depend on how a prompt is cut. With W_k and W_v the two halves of a head's part of {@code
 * kv_b_proj}: {@code score = (W_k' q_plain) · latent +
 * q_rotary · k_rotary}, {@code out = W_v (sum of p_s latent_s)}.
 */
public final class LatentAttention {
    private final RankContext context;
    private final LatentSizes sizes;
    private final Shard heads; // this rank's query heads; the cache has none, every rank holds all of it
    private final Matrix keyValue; // [maxRows, latent | rotary key]
    private final Heads rotaryKey;
    private final Matrix query; // [maxRows, heads of this rank * (plain | rotary)] as projected
    private final HeadColumns queryHeads;
    private final Heads rotaryQuery;
    private final Matrix absorbed; // [maxRows, heads of this rank * (latent | rotary)] as compared with the cache
    private final HeadColumns absorbedHeads;
    private final Matrix mixed; // [maxRows, heads of this rank * latent] latents by probability
    private final HeadColumns mixedHeads;
    private final GatherBuffer attended; // [maxRows, heads * value]
    private final HeadColumns attendedHeads;
    private final LatentShape shape;

    public LatentAttention(RankContext context, Latent attention, Workspace workspace) {
        this.context = context;
        this.sizes = attention.sizes();
        this.heads = context.rank().shard(attention.heads());
        int count = heads.size();
        this.keyValue = workspace.matrix("latent, rotary key", sizes.cached());
        this.rotaryKey = Heads.of(keyValue, sizes.latent(), 1, sizes.cached());
        this.query = workspace.matrix("query", count * sizes.query());
        this.queryHeads = new HeadColumns(0, sizes.query());
        this.rotaryQuery = Heads.of(query, sizes.plain(), count, sizes.query());
        this.absorbed = workspace.matrix("absorbed query", count * sizes.cached());
        this.absorbedHeads = new HeadColumns(0, sizes.cached());
        this.mixed = workspace.matrix("mixed latents", count * sizes.latent());
        this.mixedHeads = new HeadColumns(0, sizes.latent());
        this.attended = workspace.gathered("attended", attention.heads() * sizes.value());
        this.attendedHeads = new HeadColumns(0, sizes.value());
        double scale = RotaryFrequencies.scoreFactor(attention.rope()) / Math.sqrt(sizes.query());
        this.shape = new LatentShape(count, sizes.latent(), sizes.rotary(), (float) scale);
    }

    /**
     * The projection to what the cache holds, computed whole on every rank.
     *
     * @param weight [latent + rotary, hidden]
     */
    public LinearPart keyValueDown(LinearWeight weight) {
        return ShardedLinear.replicated(context, weight).into(keyValue, 0);
    }

    /**
     * The projection to this rank's queries.
     *
     * @param weight [heads * (plain + rotary), queryRank]
     */
    public LinearPart queryUp(LinearWeight weight) {
        return new ShardedLinear(context, weight, heads.times(sizes.query())).into(query, 0);
    }

    /**
     * W_k of this rank's heads: [plain, latent] per head.
     *
     * @param keyValueUp [heads * (plain + value), latent], never int8, since its columns are inputs as well as outputs
     */
    public HeadWeight keyUp(Tensor keyValueUp) {
        return new HeadWeight(ofThisRank(keyValueUp), heads.size(), 0, sizes.plain());
    }

    /**
     * W_v of this rank's heads: [value, latent] per head.
     *
     * @param keyValueUp as for {@link #keyUp}
     */
    public HeadWeight valueUp(Tensor keyValueUp) {
        return new HeadWeight(ofThisRank(keyValueUp), heads.size(), sizes.plain(), sizes.value());
    }

    private Tensor ofThisRank(Tensor keyValueUp) {
        Shard rows = heads.times(sizes.plain() + sizes.value());
        return keyValueUp.slice(rows.from(), rows.to());
    }

    /** Latents and rotary keys, as last projected: [maxRows, latent | rotary key]. */
    public Matrix keyValue() {
        return keyValue;
    }

    /** The rotary key that all heads share, as one head. */
    public Heads rotaryKey() {
        return rotaryKey;
    }

    /** Rotary parts of this rank's query heads. */
    public Heads rotaryQuery() {
        return rotaryQuery;
    }

    /** Stores latents in {@code plane} of the pool and rotary keys in the next one. */
    public void store(int plane, StepRows rows) {
        int count = rows.count();
        PlainOperations.storeKv(keyValue, count, 0, rows.plane(plane), rows.slots());
        PlainOperations.storeKv(keyValue, count, sizes.latent(), rows.plane(plane + 1), rows.slots());
    }

    /** Brings queries, whose rotary parts have been turned, into the form in which they are compared with the cache. */
    public void absorb(HeadWeight keyUp, int rows) {
        context.kernels().headMix(query, queryHeads, rows, keyUp, absorbed, absorbedHeads);
        for (int row = 0; row < rows; row++) {
            for (int head = 0; head < heads.size(); head++) {
                System.arraycopy(
                        query.values(),
                        query.offset(row) + head * sizes.query() + sizes.plain(),
                        absorbed.values(),
                        absorbed.offset(row) + head * sizes.cached() + sizes.latent(),
                        sizes.rotary());
            }
        }
    }

    /** Mixes the latents of all positions up to each row's own by the probabilities of the absorbed queries. */
    public void mix(int plane, StepRows rows) {
        context.kernels()
                .latentAttention(
                        absorbed, mixed, rows.plane(plane), rows.plane(plane + 1), rows.attentionRows(), shape);
    }

    /** Mixes the latents of the selected positions only. */
    public void mix(int plane, StepRows rows, SelectedPositions selected) {
        context.kernels()
                .sparseLatentAttention(
                        absorbed,
                        mixed,
                        rows.plane(plane),
                        rows.plane(plane + 1),
                        rows.attentionRows(),
                        shape,
                        selected);
    }

    /**
     * Makes the values of all heads from the mixed latents.
     *
     * @return [rows, heads * value], whole on every rank
     */
    public Matrix values(HeadWeight valueUp, int rows) {
        context.kernels().headLinear(mixed, mixedHeads, rows, valueUp, attended.part(), attendedHeads);
        attended.gather(context.collective(), rows);
        return attended.whole();
    }
}
