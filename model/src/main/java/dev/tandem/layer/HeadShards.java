package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;

/**
 * Attention heads of one rank.
 *
 * @param query its query heads
 * @param kv the KV heads that they read; replicated when there are more ranks than heads
 * @param headDim values of a head
 */
public record HeadShards(Shard query, Shard kv, int headDim) {
    public static HeadShards of(Rank rank, GroupedQuery attention) {
        return new HeadShards(
                rank.shard(attention.heads()), rank.shardOfKvHeads(attention.kvHeads()), attention.headDim());
    }

    /** Values of all query heads of this rank. */
    public int queryColumns() {
        return query.size() * headDim;
    }

    /** Values of all KV heads of this rank. */
    public int kvColumns() {
        return kv.size() * headDim;
    }

    /** Output rows of a projection that make the heads of a shard. */
    Shard rows(Shard heads) {
        return new Shard(heads.from() * headDim, heads.to() * headDim);
    }
}
