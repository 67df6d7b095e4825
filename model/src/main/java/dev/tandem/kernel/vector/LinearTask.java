package dev.tandem.kernel.vector;

import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.Lanes;
import java.util.List;

/**
 * Matrix products of the same rows of x as one loop for {@link KernelThreads}: a command object that is filled before each run and used
 * again, so that a step allocates nothing. Filled by the rank worker; kernel threads read it while the loop runs and claim chunks of weight
 * rows one after the other ({@link ClaimRanges}).
 *
 * <p>Two ways, the same bits: one row of activations reads the stored weight straight through ({@link VectorDots}); several rows share a
 * panel of weight rows that is widened once into the scratch of the thread ({@link VectorTile}).
 */
final class LinearTask implements KernelThreads.Slice {
    /** Weights of one loop; more of them take several. */
    private static final int MOST_PARTS = 4;

    /** Weight rows that a claim of a one-row product covers. */
    private static final int DOTS_CHUNK = 32;

    /** Bytes of a widened panel: it shares the first-level cache with four rows of activations. */
    private static final int PANEL_BYTES = 32 << 10;

    private static final int PANEL_MOST_ROWS = 16;

    /** Bytes of activations that go by one panel: they stay in the second-level cache from panel to panel. */
    private static final int ROWS_BYTES = 384 << 10;

    private final VectorWorkspace workspace;
    private final ClaimRanges claims;

    private Matrix x;
    private int[] fromRows;
    private int[] toRows;
    private int rows;
    private int inputs;
    private final Part[] parts = new Part[MOST_PARTS];
    private int partCount;
    private int chunkOutputs;
    private int chunks;
    private int blockRows;
    private int[] identity = {};

    /** One weight of the loop and where its outputs go. Filled as the task is. */
    private static final class Part {
        private Tensor weight;
        private int outputs;
        private Matrix out;
        private int outColumn;
        private boolean isDots;
        private int firstChunk;

        @SuppressWarnings("NullAway.Init") // filled before every run
        Part() {}
    }

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    LinearTask(VectorWorkspace workspace) {
        this.workspace = workspace;
        this.claims = new ClaimRanges(workspace.count());
        for (int i = 0; i < MOST_PARTS; i++) {
            parts[i] = new Part();
        }
    }

    /** Runs {@code out[toRows[i], outColumn + o] = dot(x[fromRows[i]], weight[o])}, i < rows. */
    void run(Matrix x, int[] fromRows, Tensor weight, Matrix out, int[] toRows, int outColumn, int rows) {
        partCount = 0;
        add(weight, out, outColumn);
        run(x, fromRows, toRows, rows);
    }

    /** Runs the product for several weights of as many columns, all of them stored tensors. */
    void run(Matrix x, int[] fromRows, List<LinearPart> several, int[] toRows, int rows) {
        partCount = 0;
        for (int i = 0; i < several.size(); i++) {
            LinearPart part = several.get(i);
            if (partCount == MOST_PARTS) {
                run(x, fromRows, toRows, rows);
                partCount = 0;
            }
            add((Tensor) part.weight(), part.out(), part.outColumn());
        }
        run(x, fromRows, toRows, rows);
    }

    private void add(Tensor weight, Matrix out, int outColumn) {
        Part part = parts[partCount++];
        part.weight = weight;
        part.outputs = weight.rows();
        part.out = out;
        part.outColumn = outColumn;
    }

    private void run(Matrix x, int[] fromRows, int[] toRows, int rows) {
        if (rows == 0 || partCount == 0) {
            return;
        }
        this.x = x;
        this.fromRows = fromRows;
        this.toRows = toRows;
        this.rows = rows;
        this.inputs = parts[0].weight.columns();
        cut();
        workspace.run(this);
    }

    /** Row numbers 0..rows-1. */
    int[] identity(int rows) {
        if (identity.length < rows) {
            identity = new int[rows];
            for (int i = 0; i < rows; i++) {
                identity[i] = i;
            }
        }
        return identity;
    }

    private void cut() {
        int rowFloatsBytes = Math.max(1, inputs) * Float.BYTES;
        chunkOutputs = rows == 1 ? DOTS_CHUNK : VectorTile.clampToTiles(PANEL_BYTES / rowFloatsBytes, PANEL_MOST_ROWS);
        blockRows = VectorTile.clampToTiles(ROWS_BYTES / rowFloatsBytes, Integer.MAX_VALUE);
        chunks = 0;
        for (int i = 0; i < partCount; i++) {
            Part part = parts[i];
            part.firstChunk = chunks;
            part.isDots = rows == 1 && VectorDots.accepts(part.weight);
            chunks += (part.outputs + chunkOutputs - 1) / chunkOutputs;
        }
        claims.reset(chunks * ((rows + blockRows - 1) / blockRows));
    }

    @Override
    public void run(int slice, int slices) {
        SliceScratch scratch = workspace.scratch(slice);
        for (int claim = claims.take(slice); claim >= 0; claim = claims.take(slice)) {
            workspace.check();
            int chunk = claim % chunks;
            Part part = partOf(chunk);
            int from = (chunk - part.firstChunk) * chunkOutputs;
            int to = Math.min(part.outputs, from + chunkOutputs);
            if (part.isDots) {
                dots(part, from, to, scratch);
            } else if (rows == 1) {
                widenedDots(part, from, to, scratch);
            } else {
                int fromRow = claim / chunks * blockRows;
                panel(part, from, to, fromRow, Math.min(rows, fromRow + blockRows), scratch);
            }
        }
    }

    private Part partOf(int chunk) {
        int i = partCount - 1;
        while (chunk < parts[i].firstChunk) {
            i--;
        }
        return parts[i];
    }

    /** Weight rows from..to-1 by the only row of x, the trees of sixteen together. */
    private void dots(Part part, int from, int to, SliceScratch scratch) {
        int xOffset = x.offset(fromRows[0]);
        int outOffset = part.out.offset(toRows[0]) + part.outColumn;
        for (int o = from; o < to; o += VectorTile.OUTPUTS) {
            int count = Math.min(VectorTile.OUTPUTS, to - o);
            VectorDots.dots(part.weight, o, count, x.values(), xOffset, scratch.lanes);
            VectorTile.reduce(scratch.lanes, scratch.sums);
            System.arraycopy(scratch.sums, 0, part.out.values(), outOffset + o, count);
        }
    }

    /** Weight rows from..to-1 of a type without a loop in {@link VectorDots} by the only row: eight are widened, then multiplied. */
    private void widenedDots(Part part, int from, int to, SliceScratch scratch) {
        float[] widened = scratch.widened(VectorTile.ROWS_8 * inputs);
        int xOffset = x.offset(fromRows[0]);
        int outOffset = part.out.offset(toRows[0]) + part.outColumn;
        for (int o = from; o < to; o += VectorTile.OUTPUTS) {
            int count = Math.min(VectorTile.OUTPUTS, to - o);
            for (int i = 0; i < count; i += VectorTile.ROWS_8) {
                int values = Math.min(count - i, VectorTile.ROWS_8) * inputs;
                widen(part.weight, o + i, widened, values);
                int lanesAt = i * Lanes.COUNT;
                VectorTile.lanes8(x.values(), xOffset, widened, 0, inputs, inputs, scratch.lanes, lanesAt);
            }
            VectorTile.reduce(scratch.lanes, scratch.sums);
            System.arraycopy(scratch.sums, 0, part.out.values(), outOffset + o, count);
        }
    }

    /** Weight rows from..to-1, widened once, by rows fromRow..toRow-1 of x; rows beyond the last repeat the last. */
    private void panel(Part part, int from, int to, int fromRow, int toRow, SliceScratch scratch) {
        float[] widened = scratch.widened(VectorTile.tiled(to - from) * inputs);
        widen(part.weight, from, widened, (to - from) * inputs);
        for (int r = fromRow; r < toRow; r += VectorTile.SIDE) {
            int last = toRow - 1;
            int x0 = x.offset(fromRows[r]);
            int x1 = x.offset(fromRows[Math.min(r + 1, last)]);
            int x2 = x.offset(fromRows[Math.min(r + 2, last)]);
            int x3 = x.offset(fromRows[Math.min(r + 3, last)]);
            int rowCount = Math.min(VectorTile.SIDE, toRow - r);
            for (int o = from; o < to; o += VectorTile.SIDE) {
                int w0 = (o - from) * inputs;
                VectorTile.dots(x.values(), x0, x1, x2, x3, widened, w0, inputs, inputs, scratch.lanes, scratch.sums);
                write(part, scratch.sums, r, rowCount, o, Math.min(VectorTile.SIDE, to - o));
            }
        }
    }

    private static void widen(Tensor weight, int row, float[] widened, int values) {
        VectorWidening.widen(weight.dtype(), weight.data(), row * weight.rowBytes(), widened, 0, values);
    }

    private void write(Part part, float[] sums, int row, int rowCount, int output, int outputCount) {
        float[] values = part.out.values();
        for (int i = 0; i < rowCount; i++) {
            int at = part.out.offset(toRows[row + i]) + part.outColumn + output;
            for (int j = 0; j < outputCount; j++) {
                values[at + j] = sums[i * VectorTile.SIDE + j];
            }
        }
    }
}
