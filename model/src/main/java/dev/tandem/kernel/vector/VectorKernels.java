package dev.tandem.kernel.vector;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.Operands;
import dev.tandem.kernel.scalar.ScalarKernels;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * {@link Kernels} with the Vector API, bit for bit equal to {@link ScalarKernels}; only the payload and sign of NaN may differ. Needs the
 * module {@code jdk.incubator.vector} and the C2 compiler: take it from {@code KernelSelection}. The width is the widest of this JVM, at
 * most 512 bits.
 *
 * <p>Its tasks are command objects, filled before each loop and used again, so a repeated call allocates nothing once the compiler has seen
 * it. Weights and caches should be native memory; heap segments work, slowly.
 */
public final class VectorKernels implements Kernels {
    /** {@code vector-512}, {@code vector-256} or {@code vector-128}. */
    public static final String NAME = "vector-" + VectorWidth.BITS;

    private static final int NARROWEST_BITS = 128;

    private final KernelThreads threads;
    private final LinearTask linearTask;
    private final Int8Task int8Task;
    private final RowTask rowTask;
    private final AttentionTask attentionTask;
    private final HeadTask headTask;
    private final IndexTask indexTask;

    /** @param threads of the rank that calls these kernels */
    public VectorKernels(KernelThreads threads) {
        this.threads = threads;
        var workspace = new VectorWorkspace(threads);
        this.linearTask = new LinearTask(workspace);
        this.int8Task = new Int8Task(workspace);
        this.rowTask = new RowTask(workspace);
        this.attentionTask = new AttentionTask(workspace);
        this.headTask = new HeadTask(workspace);
        this.indexTask = new IndexTask(workspace);
    }

    /** False where the machine's vectors are narrower than 128 bits. */
    public static boolean isSupported() {
        return VectorWidth.BITS >= NARROWEST_BITS;
    }

    @Override
    public void checkWith(Runnable check) {
        threads.checkWith(check);
    }

    @Override
    public void linear(Matrix x, int rows, LinearWeight weight, Matrix out, int outColumn) {
        Operands.rows(rows, x);
        Operands.rows(rows, out);
        int[] identity = linearTask.identity(rows);
        linear(x, identity, weight, out, identity, outColumn, rows);
    }

    @Override
    public void linearRows(Matrix x, int[] fromRows, LinearWeight weight, Matrix out, int[] toRows, int count) {
        linear(x, fromRows, weight, out, toRows, 0, count);
    }

    private void linear(
            Matrix x, int[] fromRows, LinearWeight weight, Matrix out, int[] toRows, int outColumn, int rows) {
        Operands.linear(x, weight, out, outColumn);
        switch (weight) {
            case Tensor stored -> linearTask.run(x, fromRows, stored, out, toRows, outColumn, rows);
            case Int8Weight int8 -> int8Task.run(x, fromRows, int8, out, toRows, outColumn, rows);
        }
    }

    @Override
    public void linear(Matrix x, int rows, List<LinearPart> parts) {
        Operands.rows(rows, x);
        for (int i = 0; i < parts.size(); i++) {
            Operands.rows(rows, parts.get(i).out());
        }
        int[] identity = linearTask.identity(rows);
        linearRows(x, identity, parts, identity, rows);
    }

    @Override
    public void linearRows(Matrix x, int[] fromRows, List<LinearPart> parts, int[] toRows, int count) {
        Operands.parts(x, parts);
        if (areStored(parts)) {
            linearTask.run(x, fromRows, parts, toRows, count);
            return;
        }
        for (int i = 0; i < parts.size(); i++) {
            LinearPart part = parts.get(i);
            linear(x, fromRows, part.weight(), part.out(), toRows, part.outColumn(), count);
        }
    }

    private static boolean areStored(List<LinearPart> parts) {
        for (int i = 0; i < parts.size(); i++) {
            if (!(parts.get(i).weight() instanceof Tensor)) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void embed(int[] ids, int rows, Tensor table, Matrix out) {
        Operands.columns("out", table.columns(), out);
        for (int r = 0; r < rows; r++) {
            long rowOffset = ids[r] * table.rowBytes();
            VectorWidening.widen(table.dtype(), table.data(), rowOffset, out.values(), out.offset(r), table.columns());
        }
    }

    @Override
    public void rmsNorm(Matrix x, int rows, Tensor weight, float epsilon, Matrix out) {
        int columns = weight.columns();
        Operands.columns("x", columns, x);
        Operands.columns("out", columns, out);
        rowTask.norm(x, rows, weight, epsilon, out);
    }

    @Override
    public void headNorm(Matrix x, int rows, int column, int heads, Tensor weight, float epsilon) {
        Operands.columns("x", column + heads * weight.columns(), x);
        rowTask.headNorm(x, rows, column, heads, weight, epsilon);
    }

    @Override
    public void rotate(Matrix x, int rows, int column, int heads, int headDim, int[] positions, RotaryTable table) {
        Operands.columns("x", column + heads * headDim, x);
        Operands.rotation(headDim, table);
        rowTask.rotate(x, rows, column, heads, headDim, positions, table);
    }

    @Override
    public void add(Matrix x, Matrix y, int rows) {
        Operands.columns("y", x.columns(), y);
        rowTask.add(x, y, rows);
    }

    @Override
    public void addScaledRow(Matrix x, int toRow, float scale, Matrix y, int fromRow) {
        Operands.columns("y", x.columns(), y);
        VectorRows.addScaled(x.values(), x.offset(toRow), scale, y.values(), y.offset(fromRow), x.columns());
    }

    @Override
    public void siluMultiply(Matrix gate, Matrix up, int rows, int columns) {
        Operands.columns("gate", columns, gate);
        Operands.columns("up", columns, up);
        rowTask.siluMultiply(gate, up, rows, columns);
    }

    @Override
    public void softmax(Matrix x, int rows, int columns) {
        Operands.columns("x", columns, x);
        rowTask.softmax(x, rows, columns);
    }

    @Override
    public void attention(
            Matrix q,
            int column,
            Matrix out,
            KvPlaneView keys,
            KvPlaneView values,
            AttentionRows rows,
            AttentionShape shape) {
        Operands.attention(shape, q, column, out, keys, values);
        attentionTask.run(q, column, out, keys, values, rows, shape);
    }

    @Override
    public void headLinear(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        Operands.headLinear(x, from, weight, out, to);
        headTask.multiply(x, from, rows, weight, out, to);
    }

    @Override
    public void headMix(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        Operands.headMix(x, from, weight, out, to);
        headTask.mix(x, from, rows, weight, out, to);
    }

    @Override
    public void latentAttention(
            Matrix q, Matrix out, KvPlaneView latents, KvPlaneView rotaryKeys, AttentionRows rows, LatentShape shape) {
        Operands.latentAttention(shape, q, out, latents, rotaryKeys);
        attentionTask.runLatent(q, out, latents, rotaryKeys, rows, shape, null);
    }

    @Override
    public void sparseLatentAttention(
            Matrix q,
            Matrix out,
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            LatentShape shape,
            SelectedPositions selected) {
        Operands.latentAttention(shape, q, out, latents, rotaryKeys);
        Operands.selection(rows, selected);
        attentionTask.runLatent(q, out, latents, rotaryKeys, rows, shape, selected);
    }

    @Override
    public void selectPositions(
            Matrix q, Matrix weights, KvPlaneView keys, AttentionRows rows, SelectedPositions selected) {
        Operands.columns("q", weights.columns() * keys.headDim(), q);
        Operands.selection(rows, selected);
        indexTask.run(q, weights, keys, rows, selected);
    }

    @Override
    public void widen(DType dtype, MemorySegment data, float[] out, int count) {
        VectorWidening.widen(dtype, data, 0, out, 0, count);
    }
}
