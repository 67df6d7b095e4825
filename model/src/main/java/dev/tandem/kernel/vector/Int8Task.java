package dev.tandem.kernel.vector;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.Int8Rows;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One product with an {@link Int8Weight} as loops for {@link KernelThreads}: first the rows of activations become whole numbers, then
 * chunks of weight rows are claimed as in {@link LinearTask}. A command object that is filled before each run and used again, so that a
 * step allocates nothing. Filled by the rank worker; kernel threads read it while a loop runs.
 */
final class Int8Task implements KernelThreads.Slice {
    /** Weight rows that a claim covers at most. */
    static final int MOST_OUTPUTS = 32;

    /** Values below which the caller quantises alone: waking other threads takes as long. */
    private static final int PARALLEL_VALUES = 32 << 10;

    /** Bytes of a widened panel: it shares the first-level cache with four rows of activations. */
    private static final int PANEL_BYTES = 32 << 10;

    /** Weight rows of a panel at most. */
    static final int MOST_PANEL_OUTPUTS = 16;

    /** Bytes of activations that go by one panel: they stay in the second-level cache from panel to panel. */
    private static final int ROWS_BYTES = 384 << 10;

    private final VectorWorkspace workspace;
    private final AtomicInteger nextClaim = new AtomicInteger();

    private Matrix x;
    private int[] fromRows;
    private Int8Weight weight;
    private Matrix out;
    private int[] toRows;
    private int outColumn;
    private int rows;
    private int inputs;
    private int outputs;
    private boolean isQuantising;
    private boolean isDots;
    private int chunkOutputs;
    private int chunks;
    private int blockRows;
    private int claims;
    private float[] quantised = {}; // [rows, inputs] whole numbers
    private float[] rowScales = {}; // [rows, 4] each four times, as tiles have their sums

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    Int8Task(VectorWorkspace workspace) {
        this.workspace = workspace;
    }

    /** Rows {@code fromRows[i]} of x by the weight into rows {@code toRows[i]} of out, i < rows. */
    void run(Matrix x, int[] fromRows, Int8Weight weight, Matrix out, int[] toRows, int outColumn, int rows) {
        if (rows == 0) {
            return;
        }
        this.x = x;
        this.fromRows = fromRows;
        this.weight = weight;
        this.out = out;
        this.toRows = toRows;
        this.outColumn = outColumn;
        this.rows = rows;
        this.inputs = weight.columns();
        this.outputs = weight.rows();
        this.isDots = rows == 1 && VectorInt8.acceptsDot(weight.values());
        grow();
        quantise();
        cut();
        nextClaim.set(0);
        workspace.run(this);
    }

    private void grow() {
        int values = Math.multiplyExact(rows, inputs);
        if (quantised.length < values) {
            quantised = new float[values];
        }
        int scales = VectorTile.tiled(rows) * VectorTile.SIDE;
        if (rowScales.length < scales) {
            rowScales = new float[scales];
        }
    }

    private void quantise() {
        if (rows == 1 || workspace.count() == 1 || rows * inputs < PARALLEL_VALUES) {
            quantise(0, rows);
            return;
        }
        isQuantising = true;
        try {
            workspace.run(this);
        } finally {
            isQuantising = false;
        }
    }

    private void quantise(int from, int to) {
        boolean isStatic = weight.staticInput().isPresent();
        for (int i = from; i < to; i++) {
            int offset = x.offset(fromRows[i]);
            float scale = isStatic
                    ? VectorInt8.quantiseStatic(
                            x.values(), offset, inputs, weight.staticInput().get(), quantised, i * inputs)
                    : VectorInt8.quantiseDynamic(x.values(), offset, inputs, quantised, i * inputs);
            int at = i * VectorTile.SIDE;
            Arrays.fill(rowScales, at, at + VectorTile.SIDE, scale);
        }
    }

    private void cut() {
        int rowFloatsBytes = Math.max(1, inputs) * Float.BYTES;
        chunkOutputs =
                rows == 1 ? MOST_OUTPUTS : VectorTile.clampToTiles(PANEL_BYTES / rowFloatsBytes, MOST_PANEL_OUTPUTS);
        blockRows = VectorTile.clampToTiles(ROWS_BYTES / rowFloatsBytes, Integer.MAX_VALUE);
        chunks = (outputs + chunkOutputs - 1) / chunkOutputs;
        claims = chunks * ((rows + blockRows - 1) / blockRows);
    }

    @Override
    public void run(int slice, int slices) {
        if (isQuantising) {
            quantise(KernelThreads.firstOf(rows, slice, slices), KernelThreads.firstOf(rows, slice + 1, slices));
            return;
        }
        SliceScratch scratch = workspace.scratch(slice);
        for (int claim = nextClaim.getAndIncrement(); claim < claims; claim = nextClaim.getAndIncrement()) {
            workspace.check();
            int from = claim % chunks * chunkOutputs;
            int to = Math.min(outputs, from + chunkOutputs);
            Int8Rows.scales(weight, from, to - from, scratch.outputScales);
            Int8Rows.biases(weight, from, to - from, scratch.outputBiases);
            if (isDots) {
                dots(from, to, scratch);
            } else if (rows == 1) {
                widenedDots(from, to, scratch);
            } else {
                int fromRow = claim / chunks * blockRows;
                panel(from, to, fromRow, Math.min(rows, fromRow + blockRows), scratch);
            }
        }
    }

    /** Weight rows from..to-1 by the only row, straight from the stored bytes. */
    private void dots(int from, int to, SliceScratch scratch) {
        for (int o = from; o < to; o++) {
            long row = (long) o * inputs;
            int sum = VectorInt8.dot(weight.values().data(), row, quantised, 0, inputs);
            write(o, o - from, sum, scratch);
        }
    }

    /** Weight rows from..to-1 that {@link VectorInt8#dot} does not take, by the only row: eight are widened, then multiplied. */
    private void widenedDots(int from, int to, SliceScratch scratch) {
        float[] widened = scratch.widened(VectorTile.ROWS_8 * inputs);
        int[] sums = scratch.wholeSums;
        for (int o = from; o < to; o += VectorTile.ROWS_8) {
            int count = Math.min(VectorTile.ROWS_8, to - o);
            widen(o, count, widened);
            Arrays.fill(sums, 0);
            for (int k = 0; k < inputs; k += VectorInt8.EXACT_COLUMNS) {
                int columns = Math.min(VectorInt8.EXACT_COLUMNS, inputs - k);
                VectorTile.lanes8(quantised, k, widened, k, inputs, columns, scratch.lanes, 0);
                WholeSums.add(scratch.lanes, scratch.wholeLanes, sums);
            }
            for (int i = 0; i < count; i++) {
                write(o + i, o + i - from, sums[i], scratch);
            }
        }
    }

    private void widen(int output, int count, float[] widened) {
        Tensor values = weight.values();
        VectorWidening.widen(DType.I8, values.data(), (long) output * inputs, widened, 0, count * inputs);
    }

    /** Weight rows from..to-1, widened once, by rows fromRow..toRow-1; rows beyond the last repeat the last. */
    private void panel(int from, int to, int fromRow, int toRow, SliceScratch scratch) {
        float[] widened = scratch.widened(VectorTile.tiled(to - from) * inputs);
        widen(from, to - from, widened);
        repeatForRows(to - from, scratch);
        for (int r = fromRow; r < toRow; r += VectorTile.SIDE) {
            for (int o = from; o < to; o += VectorTile.SIDE) {
                sumTile(r, toRow - 1, (o - from) * inputs, widened, scratch);
                VectorInt8.dequantise(
                        scratch.wholeSums,
                        scratch.tileBiases,
                        rowScales,
                        r * VectorTile.SIDE,
                        scratch.tileScales,
                        (o - from) * VectorTile.SIDE,
                        scratch.sums);
                write(scratch.sums, r, Math.min(VectorTile.SIDE, toRow - r), o, Math.min(VectorTile.SIDE, to - o));
            }
        }
    }

    /** Lays the scales and biases of {@code count} outputs out as tiles have their sums. */
    private static void repeatForRows(int count, SliceScratch scratch) {
        for (int o = 0; o < count; o++) {
            int tile = o / VectorTile.SIDE * VectorTile.OUTPUTS + o % VectorTile.SIDE;
            for (int i = 0; i < VectorTile.SIDE; i++) {
                scratch.tileScales[tile + i * VectorTile.SIDE] = scratch.outputScales[o];
                scratch.tileBiases[tile + i * VectorTile.SIDE] = scratch.outputBiases[o];
            }
        }
    }

    private void sumTile(int row, int lastRow, int w0, float[] widened, SliceScratch scratch) {
        int x0 = row * inputs;
        int x1 = Math.min(row + 1, lastRow) * inputs;
        int x2 = Math.min(row + 2, lastRow) * inputs;
        int x3 = Math.min(row + 3, lastRow) * inputs;
        float[] lanes = scratch.lanes;
        int[] sums = scratch.wholeSums;
        Arrays.fill(sums, 0);
        for (int k = 0; k < inputs; k += VectorInt8.EXACT_COLUMNS) {
            int columns = Math.min(VectorInt8.EXACT_COLUMNS, inputs - k);
            VectorTile.lanes16(
                    quantised, x0 + k, x1 + k, x2 + k, x3 + k, widened, w0 + k, inputs, columns, lanes, sums.length);
            WholeSums.add(lanes, scratch.wholeLanes, sums);
        }
    }

    private void write(float[] results, int row, int rowCount, int output, int outputCount) {
        for (int i = 0; i < rowCount; i++) {
            int at = out.offset(toRows[row + i]) + outColumn + output;
            for (int j = 0; j < outputCount; j++) {
                out.values()[at + j] = results[i * VectorTile.SIDE + j];
            }
        }
    }

    /** A result of the only row. */
    private void write(int output, int outputInClaim, int sum, SliceScratch scratch) {
        float scale = scratch.outputScales[outputInClaim];
        int bias = scratch.outputBiases[outputInClaim];
        out.values()[out.offset(toRows[0]) + outColumn + output] = Int8Rows.dequantise(sum, bias, rowScales[0], scale);
    }
}
