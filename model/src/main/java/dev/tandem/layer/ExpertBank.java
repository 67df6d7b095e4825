package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Computes any expert of a checkpoint, whole. Weights are views of the mapped file and an expert is built when it is first asked for,
 * so a bank costs memory only for the experts that its rank owns or has taken over. Owned by one thread.
 */
public final class ExpertBank {
    private final RankContext context;
    private final List<List<SwiGluWeights>> weights; // [layers][experts]; a layer without experts is empty
    private final Workspace workspace;
    private final int[] fromRows; // [maxRows]
    private final @Nullable Mlp[][] experts; // [layers, experts], built when first asked for

    /**
     * @param context of a single rank, with kernels that this bank's thread may use
     * @param weights by layer, by expert; empty for a layer without experts
     * @param maxRows rows that an expert computes together; more are computed in several parts
     */
    public ExpertBank(RankContext context, List<List<SwiGluWeights>> weights, int maxRows) {
        this.context = context;
        this.weights = weights;
        this.workspace = new Workspace(context.rank(), maxRows);
        this.fromRows = new int[maxRows];
        this.experts = new Mlp[weights.size()][];
        for (int layer = 0; layer < experts.length; layer++) {
            experts[layer] = new Mlp[weights.get(layer).size()];
        }
    }

    /** A bank of the same experts for another thread. */
    public ExpertBank forThread(RankContext other) {
        return new ExpertBank(other, weights, workspace.maxRows());
    }

    /** Decoder layers, with experts or not. */
    public int layers() {
        return weights.size();
    }

    /** Experts of a layer; 0 for a dense one. */
    public int experts(int layer) {
        return weights.get(layer).size();
    }

    /**
     * Computes one expert's outputs of consecutive rows.
     *
     * @param x [rows, hidden]
     * @param results [rows, hidden], rows {@code [firstRow, firstRow + count)} overwritten
     */
    public void compute(int layer, int expert, Matrix x, int firstRow, int count, Matrix results) {
        Mlp mlp = expert(layer, expert);
        int maxRows = workspace.maxRows();
        for (int done = 0; done < count; done += maxRows) {
            int rows = Math.min(maxRows, count - done);
            for (int i = 0; i < rows; i++) {
                fromRows[i] = firstRow + done + i;
            }
            mlp.forwardRows(x, fromRows, rows, results, fromRows);
        }
    }

    private Mlp expert(int layer, int expert) {
        Mlp known = experts[layer][expert];
        if (known == null) {
            known = new Mlp(context, weights.get(layer).get(expert), workspace);
            experts[layer][expert] = known;
        }
        return known;
    }
}
