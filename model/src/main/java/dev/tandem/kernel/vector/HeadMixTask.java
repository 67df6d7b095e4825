package dev.tandem.kernel.vector;

import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Rows of each head's matrix mixed by the head's part of a row, as a loop for {@link KernelThreads}: a command object that is filled
 * before each run and used again. A claim is one head with a few rows, whose results stay in the cache while the matrix passes by.
 */
final class HeadMixTask implements KernelThreads.Slice {
    /** Rows of a claim. */
    private static final int CLAIM_ROWS = 16;

    /** Rows of a matrix that are widened at a time. */
    private static final int CHUNK = 16;

    private final VectorWorkspace workspace;
    private final AtomicInteger nextClaim = new AtomicInteger();

    private Matrix x;
    private HeadColumns from;
    private HeadWeight weight;
    private Matrix out;
    private HeadColumns to;
    private int rows;
    private int claims;

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    HeadMixTask(VectorWorkspace workspace) {
        this.workspace = workspace;
    }

    /** As {@link Kernels#headMix}. */
    void run(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        this.x = x;
        this.from = from;
        this.rows = rows;
        this.weight = weight;
        this.out = out;
        this.to = to;
        this.claims = weight.heads() * Math.ceilDiv(rows, CLAIM_ROWS);
        nextClaim.set(0);
        workspace.run(this);
    }

    @Override
    public void run(int slice, int slices) {
        SliceScratch scratch = workspace.scratch(slice);
        for (int claim = nextClaim.getAndIncrement(); claim < claims; claim = nextClaim.getAndIncrement()) {
            int fromRow = claim / weight.heads() * CLAIM_ROWS;
            mix(claim % weight.heads(), fromRow, Math.min(rows, fromRow + CLAIM_ROWS), scratch);
        }
    }

    private void mix(int head, int fromRow, int toRow, SliceScratch scratch) {
        int columns = weight.columns();
        Tensor stacked = weight.stacked();
        float[] chunk = scratch.widened(CHUNK * columns);
        float[] mixed = scratch.mixed((toRow - fromRow) * columns);
        Arrays.fill(mixed, 0, (toRow - fromRow) * columns, 0f);
        for (int i = 0; i < weight.rows(); i += CHUNK) {
            int count = Math.min(CHUNK, weight.rows() - i);
            VectorWidening.widen(stacked.dtype(), stacked.data(), weight.offset(head, i), chunk, 0, count * columns);
            mixChunk(head, i, count, fromRow, toRow, chunk, mixed);
        }
        for (int r = fromRow; r < toRow; r++) {
            System.arraycopy(mixed, (r - fromRow) * columns, out.values(), out.offset(r) + to.of(head), columns);
        }
    }

    private void mixChunk(int head, int first, int count, int fromRow, int toRow, float[] chunk, float[] mixed) {
        int columns = weight.columns();
        float[] p = x.values();
        int r = fromRow;
        for (; r + VectorMix.QUERIES <= toRow; r += VectorMix.QUERIES) {
            int p0 = factor(r, head, first);
            int p1 = factor(r + 1, head, first);
            int p2 = factor(r + 2, head, first);
            int p3 = factor(r + 3, head, first);
            VectorMix.mix4(p, p0, p1, p2, p3, chunk, count, columns, mixed, (r - fromRow) * columns);
        }
        for (; r < toRow; r++) {
            VectorMix.mix(p, factor(r, head, first), chunk, 0, count, columns, mixed, (r - fromRow) * columns);
        }
    }

    private int factor(int row, int head, int index) {
        return x.offset(row) + from.of(head) + index;
    }
}
