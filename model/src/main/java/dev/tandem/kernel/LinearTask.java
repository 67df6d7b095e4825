package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One matrix product as a loop for {@link KernelThreads}: a command object that is filled before each run and used again, so that a step
 * allocates nothing. Filled by the rank worker; kernel threads read it while the loop runs and claim chunks of weight rows one after the
 * other, so that a thread that is held up does not hold up the rest.
 *
 * <p>Two ways, the same bits: one row of activations reads the stored weight straight through ({@link VectorDots}); several rows share a
 * panel of weight rows that is widened once into the scratch of the thread ({@link VectorTile}).
 */
final class LinearTask implements KernelThreads.Slice {
    /** Weight rows a claim of a one-row product covers. */
    private static final int DOTS_CHUNK = 32;

    /** Bytes of a widened panel: it shares the first-level cache with four rows of activations. */
    private static final int PANEL_BYTES = 32 << 10;

    private static final int PANEL_MOST_ROWS = 16;

    /** Bytes of activations that go by one panel: they stay in the second-level cache from panel to panel. */
    private static final int ROWS_BYTES = 384 << 10;

    private final KernelThreads threads;
    private final AtomicInteger nextClaim = new AtomicInteger();

    private Matrix x;
    private int[] fromRows;
    private Matrix out;
    private int[] toRows;
    private int outColumn;
    private int rows;
    private Tensor weight;
    private DType dtype;
    private MemorySegment data;
    private int inputs;
    private int outputs;
    private long rowBytes;
    private boolean isDots;
    private int chunkOutputs;
    private int chunks;
    private int blockRows;
    private int claims;
    private int[] identity = {};

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    LinearTask(KernelThreads threads) {
        this.threads = threads;
    }

    /** Runs {@code out[toRows[i], outColumn + o] = dot(x[fromRows[i]], weight[o])}, i < rows. */
    void run(Matrix x, int[] fromRows, Tensor weight, Matrix out, int[] toRows, int outColumn, int rows) {
        if (rows == 0) {
            return;
        }
        this.x = x;
        this.fromRows = fromRows;
        this.weight = weight;
        this.dtype = weight.dtype();
        this.data = weight.data();
        this.out = out;
        this.toRows = toRows;
        this.outColumn = outColumn;
        this.rows = rows;
        this.inputs = weight.columns();
        this.outputs = weight.rows();
        this.rowBytes = weight.rowBytes();
        this.isDots = rows == 1 && VectorDots.accepts(weight);
        cut();
        nextClaim.set(0);
        threads.run(this);
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
        chunkOutputs = rows == 1 ? DOTS_CHUNK : clampToTiles(PANEL_BYTES / rowFloatsBytes, PANEL_MOST_ROWS);
        blockRows = clampToTiles(ROWS_BYTES / rowFloatsBytes, Integer.MAX_VALUE);
        chunks = (outputs + chunkOutputs - 1) / chunkOutputs;
        claims = chunks * ((rows + blockRows - 1) / blockRows);
    }

    private static int tiled(int count) {
        return (count + VectorTile.SIDE - 1) / VectorTile.SIDE * VectorTile.SIDE;
    }

    private static int clampToTiles(int count, int most) {
        return Math.max(VectorTile.SIDE, Math.min(count, most) / VectorTile.SIDE * VectorTile.SIDE);
    }

    @Override
    public void run(int slice, int slices) {
        SliceScratch scratch = threads.scratch(slice);
        for (int claim = nextClaim.getAndIncrement(); claim < claims; claim = nextClaim.getAndIncrement()) {
            int from = claim % chunks * chunkOutputs;
            int to = Math.min(outputs, from + chunkOutputs);
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

    /** Weight rows from..to-1 by the only row of x, the trees of sixteen together. */
    private void dots(int from, int to, SliceScratch scratch) {
        int xOffset = x.offset(fromRows[0]);
        int outOffset = out.offset(toRows[0]) + outColumn;
        for (int o = from; o < to; o += VectorTile.OUTPUTS) {
            int count = Math.min(VectorTile.OUTPUTS, to - o);
            VectorDots.dots(weight, o, count, x.values(), xOffset, scratch.lanes);
            VectorTile.reduce(scratch.lanes, scratch.sums);
            System.arraycopy(scratch.sums, 0, out.values(), outOffset + o, count);
        }
    }

    /** The same for types without a loop in {@link VectorDots}: eight rows are widened, then multiplied. */
    private void widenedDots(int from, int to, SliceScratch scratch) {
        float[] widened = scratch.widened(VectorTile.ROWS_8 * inputs);
        int xOffset = x.offset(fromRows[0]);
        int outOffset = out.offset(toRows[0]) + outColumn;
        for (int o = from; o < to; o += VectorTile.OUTPUTS) {
            int count = Math.min(VectorTile.OUTPUTS, to - o);
            for (int i = 0; i < count; i += VectorTile.ROWS_8) {
                int values = Math.min(count - i, VectorTile.ROWS_8) * inputs;
                VectorWidening.widen(dtype, data, (o + i) * rowBytes, widened, 0, values);
                int lanesAt = i * Lanes.COUNT;
                VectorTile.lanes8(x.values(), xOffset, widened, 0, inputs, inputs, scratch.lanes, lanesAt);
            }
            VectorTile.reduce(scratch.lanes, scratch.sums);
            System.arraycopy(scratch.sums, 0, out.values(), outOffset + o, count);
        }
    }

    /** Weight rows from..to-1, widened once, by rows fromRow..toRow-1 of x; rows beyond the last repeat the last. */
    private void panel(int from, int to, int fromRow, int toRow, SliceScratch scratch) {
        float[] widened = scratch.widened(tiled(to - from) * inputs);
        VectorWidening.widen(dtype, data, from * rowBytes, widened, 0, (to - from) * inputs);
        for (int r = fromRow; r < toRow; r += VectorTile.SIDE) {
            int last = toRow - 1;
            int x0 = x.offset(fromRows[r]);
            int x1 = x.offset(fromRows[Math.min(r + 1, last)]);
            int x2 = x.offset(fromRows[Math.min(r + 2, last)]);
            int x3 = x.offset(fromRows[Math.min(r + 3, last)]);
            for (int o = from; o < to; o += VectorTile.SIDE) {
                int w0 = (o - from) * inputs;
                VectorTile.dots(x.values(), x0, x1, x2, x3, widened, w0, inputs, inputs, scratch.lanes, scratch.sums);
                write(scratch.sums, r, Math.min(VectorTile.SIDE, toRow - r), o, Math.min(VectorTile.SIDE, to - o));
            }
        }
    }

    private void write(float[] sums, int row, int rowCount, int output, int outputCount) {
        for (int i = 0; i < rowCount; i++) {
            int at = out.offset(toRows[row + i]) + outColumn + output;
            for (int j = 0; j < outputCount; j++) {
                out.values()[at + j] = sums[i * VectorTile.SIDE + j];
            }
        }
    }
}
