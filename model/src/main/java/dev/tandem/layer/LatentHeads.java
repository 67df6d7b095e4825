package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.checkpoint.ModelConfig.LatentSizes;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;

/**
 * Latent attention's heads of one rank. The cache has no heads: every rank holds all of it.
 *
 * @param query this rank's query heads
 * @param sizes widths of what is projected
 */
public record LatentHeads(Shard query, LatentSizes sizes) {
    public static LatentHeads of(Rank rank, Latent attention) {
        return new LatentHeads(rank.shard(attention.heads()), attention.sizes());
    }

    /** Query heads of this rank. */
    int count() {
        return query.size();
    }

    /** Output rows of a projection that make this rank's heads, of {@code width} rows each. */
    Shard rows(int width) {
        return new Shard(query.from() * width, query.to() * width);
    }
}
