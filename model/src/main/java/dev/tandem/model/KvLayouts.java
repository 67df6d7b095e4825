package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import java.util.ArrayList;

/** KV layouts of model families, as pure functions of configuration and rank. */
public final class KvLayouts {
    private KvLayouts() {}

    /**
     * Keys and values of every layer: planes {@code k.0, v.0, k.1, v.1, ...}.
     *
     * @throws IllegalArgumentException for a type that a cache cannot have, or heads that cannot be spread over the ranks
     */
    public static KvLayout groupedQuery(ModelConfig config, Rank rank, int blockSize, DType kvDtype) {
        if (kvDtype != DType.F32 && kvDtype != DType.BF16 && kvDtype != DType.F16) {
            throw new IllegalArgumentException("KV cache type " + kvDtype + " is none of F32, BF16, F16");
        }
        ModelConfig.Attention attention = config.attention();
        Shard heads = rank.shardOfKvHeads(attention.kvHeads());
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < config.layers(); layer++) {
            for (String kind : new String[] {"k.", "v."}) {
                planes.add(new KvPlane(
                        kind + layer, kvDtype, heads.size(), attention.headDim(), heads.from(), attention.kvHeads()));
            }
        }
        return new KvLayout(blockSize, planes);
    }
}
