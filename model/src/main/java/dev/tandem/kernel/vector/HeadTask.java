package dev.tandem.kernel.vector;

import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.Lanes;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Each head's part of a row by a matrix of its own, as a loop for {@link KernelThreads}: a command object that is filled before each run
 * and used again. A claim is one head with some rows. A product widens weight rows a panel at a time and lets all rows of the claim meet
 * it; a mix keeps the results of its rows in the cache while the matrix passes by.
 */
final class HeadTask implements KernelThreads.Slice {
    /** Rows of a product's claim: few enough that threads find claims, enough that a panel is widened for many. */
    private static final int PRODUCT_ROWS = 64;

    /** Rows of a mix's claim. */
    private static final int MIX_ROWS = 16;

    /** Rows of a matrix that a mix widens at a time. */
    private static final int MIX_CHUNK = 16;

    private final VectorWorkspace workspace;
    private final AtomicInteger nextClaim = new AtomicInteger();

    private Matrix x;
    private HeadColumns from;
    private HeadWeight weight;
    private Matrix out;
    private HeadColumns to;
    private int rows;
    private boolean isMix;
    private int claimRows;
    private int claims;

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    HeadTask(VectorWorkspace workspace) {
        this.workspace = workspace;
    }

    /** As {@link Kernels#headLinear}. */
    void multiply(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        this.isMix = false;
        run(x, from, rows, weight, out, to);
    }

    /** As {@link Kernels#headMix}. */
    void mix(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        this.isMix = true;
        run(x, from, rows, weight, out, to);
    }

    private void run(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        this.x = x;
        this.from = from;
        this.rows = rows;
        this.weight = weight;
        this.out = out;
        this.to = to;
        this.claimRows = isMix ? MIX_ROWS : PRODUCT_ROWS;
        this.claims = weight.heads() * Math.ceilDiv(rows, claimRows);
        nextClaim.set(0);
        workspace.run(this);
    }

    @Override
    public void run(int slice, int slices) {
        SliceScratch scratch = workspace.scratch(slice);
        for (int claim = nextClaim.getAndIncrement(); claim < claims; claim = nextClaim.getAndIncrement()) {
            workspace.check();
            int head = claim % weight.heads();
            int fromRow = claim / weight.heads() * claimRows;
            int toRow = Math.min(rows, fromRow + claimRows);
            if (isMix) {
                mix(head, fromRow, toRow, scratch);
            } else {
                multiply(head, fromRow, toRow, scratch);
            }
        }
    }

    private void multiply(int head, int fromRow, int toRow, SliceScratch scratch) {
        for (int o = 0; o < weight.rows(); o += VectorTile.OUTPUTS) {
            panel(head, o, Math.min(VectorTile.OUTPUTS, weight.rows() - o), fromRow, toRow, scratch);
        }
    }

    /** Outputs {@code [firstOutput, firstOutput + count)} of one head for the rows of a claim. */
    private void panel(int head, int firstOutput, int count, int fromRow, int toRow, SliceScratch scratch) {
        int inputs = weight.columns();
        Tensor stacked = weight.stacked();
        float[] panel = scratch.widened(VectorTile.OUTPUTS * inputs);
        VectorWidening.widen(
                stacked.dtype(), stacked.data(), weight.offset(head, firstOutput), panel, 0, count * inputs);
        if (toRow - fromRow == 1) {
            row(head, firstOutput, count, fromRow, panel, scratch);
            return;
        }
        for (int r = fromRow; r < toRow; r += VectorTile.SIDE) {
            int x0 = input(r, head, toRow);
            int x1 = input(r + 1, head, toRow);
            int x2 = input(r + 2, head, toRow);
            int x3 = input(r + 3, head, toRow);
            for (int o = 0; o < count; o += VectorTile.SIDE) {
                VectorTile.dots(
                        x.values(), x0, x1, x2, x3, panel, o * inputs, inputs, inputs, scratch.lanes, scratch.sums);
                int outputs = Math.min(VectorTile.SIDE, count - o);
                write(scratch.sums, r, Math.min(VectorTile.SIDE, toRow - r), output(head, firstOutput + o), outputs);
            }
        }
    }

    /** Where a row's part begins; rows beyond the last repeat the last. */
    private int input(int row, int head, int toRow) {
        return x.offset(Math.min(row, toRow - 1)) + from.of(head);
    }

    private int output(int head, int index) {
        return to.of(head) + index;
    }

    private void write(float[] sums, int row, int rowCount, int column, int columns) {
        for (int i = 0; i < rowCount; i++) {
            System.arraycopy(sums, i * VectorTile.SIDE, out.values(), out.offset(row + i) + column, columns);
        }
    }

    /** The only row of a claim: no tile of rows, but the trees of sixteen outputs together. */
    private void row(int head, int firstOutput, int count, int row, float[] panel, SliceScratch scratch) {
        int inputs = weight.columns();
        int x0 = input(row, head, row + 1);
        VectorTile.lanes8(x.values(), x0, panel, 0, inputs, inputs, scratch.lanes, 0);
        int second = VectorTile.ROWS_8;
        VectorTile.lanes8(x.values(), x0, panel, second * inputs, inputs, inputs, scratch.lanes, second * Lanes.COUNT);
        VectorTile.reduce(scratch.lanes, scratch.sums);
        System.arraycopy(scratch.sums, 0, out.values(), out.offset(row) + output(head, firstOutput), count);
    }

    private void mix(int head, int fromRow, int toRow, SliceScratch scratch) {
        int columns = weight.columns();
        Tensor stacked = weight.stacked();
        float[] chunk = scratch.widened(MIX_CHUNK * columns);
        float[] mixed = scratch.mixed((toRow - fromRow) * columns);
        Arrays.fill(mixed, 0, (toRow - fromRow) * columns, 0f);
        for (int i = 0; i < weight.rows(); i += MIX_CHUNK) {
            int count = Math.min(MIX_CHUNK, weight.rows() - i);
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
