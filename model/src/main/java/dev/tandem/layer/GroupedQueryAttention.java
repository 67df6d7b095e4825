package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.GroupedQuery;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.parallel.GatherBuffer;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.Shard;

/**
 * Attention with several query heads per KV head (arXiv:2305.13245) over the paged cache, for one rank's heads. There is one per graph: layers
 * bring their weights and their planes of the cache, and pass their heads one layer after the other through the same buffers.
 *
 * <p>What a layer does between the two halves is its family's affair: norms of heads, biases and the rotary embedding work in place on
 * {@link #query} and {@link #key}.
 */
public final class GroupedQueryAttention {
    private final RankContext context;
    private final Shard queryRows; // outputs of the query projection that make this rank's heads
    private final Shard keyRows; // the same for keys and for values; replicated where there are more ranks than heads
    private final Matrix projected; // [maxRows, query | key | value heads of this rank]
    private final Heads query;
    private final Heads key;
    private final int valueColumn;
    private final GatherBuffer attended; // [maxRows, heads * headDim]
    private final AttentionShape shape;
    private final float[] head; // [headDim] a head while its values are reordered

    public GroupedQueryAttention(RankContext context, GroupedQuery sizes, Workspace workspace) {
        Rank rank = context.rank();
        int headDim = sizes.headDim();
        Shard queryHeads = rank.shard(sizes.heads());
        Shard keyHeads = rank.shardOfKvHeads(sizes.kvHeads());
        int keyColumn = queryHeads.size() * headDim;
        this.context = context;
        this.queryRows = queryHeads.times(headDim);
        this.keyRows = keyHeads.times(headDim);
        this.valueColumn = keyColumn + keyRows.size();
        this.projected = workspace.matrix("query, key, value", valueColumn + keyRows.size());
        this.query = Heads.of(projected, 0, queryHeads.size(), headDim);
        this.key = Heads.of(projected, keyColumn, keyHeads.size(), headDim);
        this.attended = workspace.gathered("attended", sizes.heads() * headDim);
        this.shape = new AttentionShape(queryHeads.size(), keyHeads.size(), headDim, (float) (1 / Math.sqrt(headDim)));
        this.head = new float[headDim];
    }

    /**
     * A layer's projections to this rank's queries, keys and values, side by side.
     *
     * @param queryWeight [heads * headDim, hidden]
     * @param keyWeight [kvHeads * headDim, hidden]
     * @param valueWeight [kvHeads * headDim, hidden]
     */
    public LinearGroup projections(LinearWeight queryWeight, LinearWeight keyWeight, LinearWeight valueWeight) {
        return new LinearGroup(
                context,
                new ShardedLinear(context, queryWeight, queryRows).into(projected, 0),
                new ShardedLinear(context, keyWeight, keyRows).into(projected, queryRows.size()),
                new ShardedLinear(context, valueWeight, keyRows).into(projected, valueColumn));
    }

    /** This rank's query heads, as last projected. */
    public Heads query() {
        return query;
    }

    /** This rank's key heads, as last projected. */
    public Heads key() {
        return key;
    }

    /**
     * Brings query and key heads whose rotary pairs are neighbours, (2i, 2i + 1), into the order (i, i + headDim/2) that the rotary
     * embedding and the cache have. Values only move, so the same numbers enter the same sums as with a checkpoint that has this order
     * to begin with.
     */
    public void splitPairs(int rows) {
        float[] values = projected.values();
        int half = head.length / 2;
        for (int row = 0; row < rows; row++) {
            for (int h = 0; h < query.count() + key.count(); h++) {
                int at = projected.offset(row) + h * head.length;
                System.arraycopy(values, at, head, 0, head.length);
                for (int i = 0; i < half; i++) {
                    values[at + i] = head[2 * i];
                    values[at + half + i] = head[2 * i + 1];
                }
            }
        }
    }

    /** Stores keys in {@code plane} of the pool and values in the next one. */
    public void store(int plane, StepRows rows) {
        int count = rows.count();
        int keyColumn = key.columns().first();
        PlainOperations.storeKv(projected, count, keyColumn, rows.plane(plane), rows.slots());
        PlainOperations.storeKv(projected, count, valueColumn, rows.plane(plane + 1), rows.slots());
    }

    /**
     * Attends over what {@link #store} and earlier passes left in the same planes.
     *
     * @return [rows, heads * headDim], whole on every rank
     */
    public Matrix attend(int plane, StepRows rows) {
        context.kernels()
                .attention(
                        projected,
                        query.columns().first(),
                        attended.part(),
                        rows.plane(plane),
                        rows.plane(plane + 1),
                        rows.attentionRows(),
                        shape);
        attended.gather(context.collective(), rows.count());
        return attended.whole();
    }
}
