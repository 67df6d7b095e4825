package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.checkpoint.ModelConfig.Latent;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;
import java.util.ArrayList;
import java.util.List;

/** KV layouts of model families, as pure functions of configuration and rank. */
public final class KvLayouts {
    private KvLayouts() {}

    /**
     * The layout of what every layer caches: keys and values of this rank's heads in planes {@code k.0, v.0, k.1, v.1, ...}, or, with latent attention,
     * {@code latent.0, k_rope.0} and with an indexer {@code index.k.0}, which all ranks hold whole.
     *
     * @throws IllegalArgumentException for a type that a cache cannot have, or heads that cannot be spread over the ranks
     */
    public static KvLayout of(ModelConfig config, Rank rank, int blockSize, DType kvDtype) {
        if (kvDtype != DType.F32 && kvDtype != DType.BF16 && kvDtype != DType.F16) {
            throw new IllegalArgumentException("KV cache type " + kvDtype + " is none of F32, BF16, F16");
        }
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < config.layers(); layer++) {
            switch (config.attention()) {
                case GroupedQuery attention -> addHeads(attention, rank, layer, kvDtype, planes);
                case Latent attention -> addLatents(attention, layer, kvDtype, planes);
            }
        }
        return new KvLayout(blockSize, planes);
    }

    private static void addHeads(GroupedQuery attention, Rank rank, int layer, DType dtype, List<KvPlane> planes) {
        int modelHeads = attention.kvHeads();
        Shard heads = rank.shardOfKvHeads(modelHeads);
        for (String kind : List.of("k.", "v.")) {
            planes.add(new KvPlane(kind + layer, dtype, heads.size(), attention.headDim(), heads.from(), modelHeads));
        }
    }

    private static void addLatents(Latent attention, int layer, DType dtype, List<KvPlane> planes) {
        planes.add(replicated("latent." + layer, dtype, attention.sizes().latent()));
        planes.add(replicated("k_rope." + layer, dtype, attention.sizes().rotary()));
        attention.indexer().ifPresent(indexer -> planes.add(replicated("index.k." + layer, dtype, indexer.headDim())));
    }

    private static KvPlane replicated(String name, DType dtype, int values) {
        return new KvPlane(name, dtype, 1, values, 0, 1);
    }
}
