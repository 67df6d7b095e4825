package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;

/**
 * Scratch of latent attention layers, shared by all layers of a rank.
 *
 * @param queryLatent [rows, queryRank]
 * @param keyValue [rows, latent | rotary key]
 * @param query of this rank's heads
 * @param attended [rows, heads * value] input of the output projection
 */
public record LatentScratch(Matrix queryLatent, Matrix keyValue, Query query, GatherBuffer attended) {
    /**
     * @param projected [rows, heads of this rank * (plain | rotary)]
     * @param absorbed [rows, heads of this rank * (latent | rotary)] as compared with the cache
     * @param mixed [rows, heads of this rank * latent] latents by probability
     */
    public record Query(Matrix projected, Matrix absorbed, Matrix mixed) {}

    /** Scratch for passes of at most {@code rows} rows. */
    public static LatentScratch of(Rank rank, int rows, LatentHeads heads) {
        LatentSizes sizes = heads.sizes();
        int count = heads.count();
        return new LatentScratch(
                Matrix.of(rows, sizes.queryRank()),
                Matrix.of(rows, sizes.cached()),
                new Query(
                        Matrix.of(rows, count * sizes.query()),
                        Matrix.of(rows, count * sizes.cached()),
                        Matrix.of(rows, count * sizes.latent())),
                GatherBuffer.of(rank, rows, count * sizes.value() * rank.tpSize()));
    }
}
