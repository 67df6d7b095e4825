package dev.tandem.kernel.vector;

import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.Tensor;

/**
 * Operations that work on one row after the other, as loops for {@link KernelThreads}: a command object that is filled before each run and
 * used again, so that a step allocates nothing. Filled by the rank worker; each slice takes an equal part of the rows. Few values are done
 * by the caller alone.
 */
final class RowTask implements KernelThreads.Slice {
    /** Values below which a loop over rows is not worth waking other threads. */
    private static final int PARALLEL_VALUES = 32 << 10;

    private enum Operation {
        NORM,
        HEAD_NORM,
        ROTATE,
        ADD,
        SILU_MULTIPLY,
        SOFTMAX
    }

    private final VectorWorkspace workspace;

    private Operation operation = Operation.ADD;
    private int rows;
    private Matrix x;
    private Matrix other; // out of a norm, the second operand of add and of silu times up
    private int column;
    private int columns; // of a row, or of a head
    private int heads;
    private Tensor weight;
    private float epsilon;
    private int[] positions;
    private RotaryTable table;

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    RowTask(VectorWorkspace workspace) {
        this.workspace = workspace;
    }

    /** As {@link Kernels#rmsNorm}. */
    void norm(Matrix x, int rows, Tensor weight, float epsilon, Matrix out) {
        this.x = x;
        this.weight = weight;
        this.epsilon = epsilon;
        this.other = out;
        this.columns = weight.columns();
        run(Operation.NORM, rows, columns);
    }

    /** As {@link Kernels#headNorm}. */
    void headNorm(Matrix x, int rows, int column, int heads, Tensor weight, float epsilon) {
        this.x = x;
        this.column = column;
        this.heads = heads;
        this.weight = weight;
        this.epsilon = epsilon;
        this.columns = weight.columns();
        run(Operation.HEAD_NORM, rows, heads * columns);
    }

    /** As {@link Kernels#rotate}. */
    void rotate(Matrix x, int rows, int column, int heads, int headDim, int[] positions, RotaryTable table) {
        this.x = x;
        this.column = column;
        this.heads = heads;
        this.columns = headDim;
        this.positions = positions;
        this.table = table;
        run(Operation.ROTATE, rows, heads * headDim);
    }

    /** As {@link Kernels#add}. */
    void add(Matrix x, Matrix y, int rows) {
        this.x = x;
        this.other = y;
        this.columns = x.columns();
        run(Operation.ADD, rows, columns);
    }

    /** As {@link Kernels#siluMultiply}. */
    void siluMultiply(Matrix gate, Matrix up, int rows, int columns) {
        this.x = gate;
        this.other = up;
        this.columns = columns;
        run(Operation.SILU_MULTIPLY, rows, columns);
    }

    /** As {@link Kernels#softmax}. */
    void softmax(Matrix x, int rows, int columns) {
        this.x = x;
        this.columns = columns;
        run(Operation.SOFTMAX, rows, columns);
    }

    private void run(Operation operation, int rows, int rowValues) {
        this.operation = operation;
        this.rows = rows;
        if (rows == 1 || (long) rows * rowValues < PARALLEL_VALUES) {
            run(0, 1);
        } else {
            workspace.run(this);
        }
    }

    @Override
    public void run(int slice, int slices) {
        int from = KernelThreads.firstOf(rows, slice, slices);
        int to = KernelThreads.firstOf(rows, slice + 1, slices);
        SliceScratch scratch = workspace.scratch(slice);
        switch (operation) {
            case NORM -> normRows(from, to, scratch);
            case HEAD_NORM -> normHeads(from, to, scratch);
            case ROTATE -> rotateRows(from, to);
            case ADD -> addRows(from, to);
            case SILU_MULTIPLY -> siluRows(from, to);
            case SOFTMAX -> softmaxRows(from, to, scratch);
        }
    }

    private void normRows(int from, int to, SliceScratch scratch) {
        float[] widened = widenWeight(scratch);
        for (int r = from; r < to; r++) {
            float[] out = other.values();
            VectorRows.norm(x.values(), x.offset(r), widened, columns, epsilon, out, other.offset(r), scratch.lanes);
        }
    }

    private float[] widenWeight(SliceScratch scratch) {
        float[] widened = scratch.widened(columns);
        VectorWidening.widen(weight.dtype(), weight.data(), 0, widened, 0, columns);
        return widened;
    }

    private void normHeads(int from, int to, SliceScratch scratch) {
        float[] widened = widenWeight(scratch);
        for (int r = from; r < to; r++) {
            for (int h = 0; h < heads; h++) {
                int at = x.offset(r) + column + h * columns;
                VectorRows.norm(x.values(), at, widened, columns, epsilon, x.values(), at, scratch.lanes);
            }
        }
    }

    private void rotateRows(int from, int to) {
        for (int r = from; r < to; r++) {
            int tableAt = positions[r] * table.pairs();
            for (int h = 0; h < heads; h++) {
                int at = x.offset(r) + column + h * columns;
                VectorRows.rotate(x.values(), at, table.cosines(), table.sines(), tableAt, table.pairs());
            }
        }
    }

    private void addRows(int from, int to) {
        for (int r = from; r < to; r++) {
            VectorRows.add(x.values(), x.offset(r), other.values(), other.offset(r), columns);
        }
    }

    private void siluRows(int from, int to) {
        for (int r = from; r < to; r++) {
            VectorRows.siluMultiply(x.values(), x.offset(r), other.values(), other.offset(r), columns);
        }
    }

    private void softmaxRows(int from, int to, SliceScratch scratch) {
        for (int r = from; r < to; r++) {
            VectorRows.softmax(x.values(), x.offset(r), columns, scratch.lanes);
        }
    }
}
