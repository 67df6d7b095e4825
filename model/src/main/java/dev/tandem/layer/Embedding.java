package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;

/** Token ids to rows of the residual stream. Every rank maps the whole table: it is read one row a token. */
public final class Embedding {
    private final RankContext context;
    private final Tensor table; // [vocabulary, hidden]

    public Embedding(RankContext context, Tensor table) {
        this.context = context;
        this.table = table;
    }

    /** {@code out[r, :] = table[tokenIds[r], :]}. */
    public void forward(StepRows rows, Matrix out) {
        context.kernels().embed(rows.tokenIds(), rows.count(), table, out);
    }
}
