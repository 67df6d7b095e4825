package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Indexer;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.scalar.PlainOperations;

/**
 * Chooses the positions that a row of sparse attention reads (DeepSeek-V3.2-Exp, section 2.1, equation 1): few small heads compare the row
 * with one small key per token, which has a cache plane of its own, and weigh their positive scores. The indexer is whole on every rank, so
 * that all ranks of a group make the same choice. There is one per graph, as with {@link LatentAttention}.
 */
public final class LightningIndexer {
    private final RankContext context;
    private final Heads query; // [maxRows, heads * headDim]
    private final Heads key; // [maxRows, headDim], one head
    private final Matrix headWeights; // [maxRows, heads]
    private final float scale;
    private final SelectedPositions selected; // of the running layer

    /** @param maxPositions tokens of the longest sequence */
    public LightningIndexer(RankContext context, Indexer sizes, int maxPositions, Workspace workspace) {
        int headDim = sizes.headDim();
        this.context = context;
        this.query = Heads.of(workspace.matrix("index query", sizes.heads() * headDim), 0, sizes.heads(), headDim);
        this.key = Heads.of(workspace.matrix("index key", headDim), 0, 1, headDim);
        this.headWeights = workspace.matrix("index head weights", sizes.heads());
        this.scale = (float) (1 / Math.sqrt((double) headDim * sizes.heads()));
        this.selected = new SelectedPositions(workspace.maxRows(), Math.min(sizes.topK(), maxPositions));
    }

    /**
     * The projection to index keys.
     *
     * @param weight [headDim, hidden]
     */
    public LinearPart keys(LinearWeight weight) {
        return ShardedLinear.replicated(context, weight).into(key.matrix(), 0);
    }

    /**
     * The projection to the weights that heads have in a row's scores.
     *
     * @param weight [heads, hidden]
     */
    public LinearPart headWeights(LinearWeight weight) {
        return ShardedLinear.replicated(context, weight).into(headWeights, 0);
    }

    /**
     * The projection to index queries.
     *
     * @param weight [heads * headDim, queryRank]
     */
    public LinearPart queries(LinearWeight weight) {
        return ShardedLinear.replicated(context, weight).into(query.matrix(), 0);
    }

    /** Index keys, as last projected: one head. */
    public Heads key() {
        return key;
    }

    /** Index queries, as last projected. */
    public Heads query() {
        return query;
    }

    /** Positions that the rows of the last layer attend to. */
    public SelectedPositions selected() {
        return selected;
    }

    /** Stores the rows' index keys in {@code plane} of the pool; the weights of their heads wait for {@link #select}. */
    public void store(int plane, StepRows rows) {
        int count = rows.count();
        PlainOperations.storeKv(key.matrix(), count, 0, rows.plane(plane), rows.slots());
        for (int i = 0; i < headWeights.offset(count); i++) {
            headWeights.values()[i] *= scale;
        }
    }

    /** Selects the positions of every row, valid until the next layer selects. */
    public SelectedPositions select(int plane, StepRows rows) {
        context.kernels()
                .selectPositions(query.matrix(), headWeights, rows.plane(plane), rows.attentionRows(), selected);
        return selected;
    }
}
