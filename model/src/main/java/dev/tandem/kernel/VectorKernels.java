package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * {@link Kernels} with the Vector API, bit for bit equal to {@link ScalarKernels}; only the payload and sign of NaN may differ. Needs the
 * module {@code jdk.incubator.vector} and the C2 compiler: take it from {@link KernelSelection}. The width is the widest of this JVM, at
 * most 512 bits.
 *
 * <p>Stateless: scratch and command objects belong to the {@link KernelThreads} of the call, so a repeated call allocates nothing once
 * the compiler has seen it. Weights and caches should be native memory; heap segments work, slowly.
 */
public final class VectorKernels implements Kernels {
    private static final int NARROWEST_BITS = 128;

    private final String name = "vector-" + VectorWidth.BITS;

    /** False where the machine's vectors are narrower than 128 bits. */
    static boolean isSupported() {
        return VectorWidth.BITS >= NARROWEST_BITS;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void linear(Matrix x, int rows, LinearWeight weight, Matrix out, int outColumn, KernelThreads threads) {
        Operands.rows(rows, x);
        Operands.rows(rows, out);
        int[] identity = threads.linearTask().identity(rows);
        linear(x, identity, weight, out, identity, outColumn, rows, threads);
    }

    @Override
    public void linearRows(
            Matrix x, int[] fromRows, LinearWeight weight, Matrix out, int[] toRows, int count, KernelThreads threads) {
        linear(x, fromRows, weight, out, toRows, 0, count, threads);
    }

    private static void linear(
            Matrix x,
            int[] fromRows,
            LinearWeight weight,
            Matrix out,
            int[] toRows,
            int outColumn,
            int rows,
            KernelThreads threads) {
        Operands.linear(x, weight, out, outColumn);
        switch (weight) {
            case Tensor stored -> threads.linearTask().run(x, fromRows, stored, out, toRows, outColumn, rows);
            case Int8Weight int8 -> threads.int8Task().run(x, fromRows, int8, out, toRows, outColumn, rows);
        }
    }

    @Override
    public void linear(Matrix x, int rows, List<LinearPart> parts, KernelThreads threads) {
        Operands.rows(rows, x);
        for (int i = 0; i < parts.size(); i++) {
            Operands.rows(rows, parts.get(i).out());
        }
        int[] identity = threads.linearTask().identity(rows);
        linearRows(x, identity, parts, identity, rows, threads);
    }

    @Override
    public void linearRows(
            Matrix x, int[] fromRows, List<LinearPart> parts, int[] toRows, int count, KernelThreads threads) {
        Operands.parts(x, parts);
        if (areStored(parts)) {
            threads.linearTask().run(x, fromRows, parts, toRows, count);
            return;
        }
        for (int i = 0; i < parts.size(); i++) {
            LinearPart part = parts.get(i);
            linear(x, fromRows, part.weight(), part.out(), toRows, part.outColumn(), count, threads);
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
    public void rmsNorm(Matrix x, int rows, Tensor weight, float epsilon, Matrix out, KernelThreads threads) {
        int columns = weight.columns();
        Operands.columns("x", columns, x);
        Operands.columns("out", columns, out);
        threads.rowTask().norm(x, rows, weight, epsilon, out);
    }

    @Override
    public void headNorm(
            Matrix x, int rows, int column, int heads, Tensor weight, float epsilon, KernelThreads threads) {
        Operands.columns("x", column + heads * weight.columns(), x);
        threads.rowTask().headNorm(x, rows, column, heads, weight, epsilon);
    }

    @Override
    public void rotate(
            Matrix x,
            int rows,
            int column,
            int heads,
            int headDim,
            int[] positions,
            RotaryTable table,
            KernelThreads threads) {
        Operands.columns("x", column + heads * headDim, x);
        Operands.rotation(headDim, table);
        threads.rowTask().rotate(x, rows, column, heads, headDim, positions, table);
    }

    @Override
    public void add(Matrix x, Matrix y, int rows, KernelThreads threads) {
        Operands.columns("y", x.columns(), y);
        threads.rowTask().add(x, y, rows);
    }

    @Override
    public void addScaledRow(Matrix x, int toRow, float scale, Matrix y, int fromRow) {
        Operands.columns("y", x.columns(), y);
        VectorRows.addScaled(x.values(), x.offset(toRow), scale, y.values(), y.offset(fromRow), x.columns());
    }

    @Override
    public void siluMultiply(Matrix gate, Matrix up, int rows, int columns, KernelThreads threads) {
        Operands.columns("gate", columns, gate);
        Operands.columns("up", columns, up);
        threads.rowTask().siluMultiply(gate, up, rows, columns);
    }

    @Override
    public void softmax(Matrix x, int rows, int columns, KernelThreads threads) {
        Operands.columns("x", columns, x);
        threads.rowTask().softmax(x, rows, columns);
    }

    @Override
    public void storeKv(Matrix x, int rows, int column, KvPlaneView plane, int[] slots, KernelThreads threads) {
        ScalarKernels.storeKv(x, rows, column, plane, slots);
    }

    @Override
    public void attention(
            Matrix q,
            int column,
            Matrix out,
            KvPlaneView keys,
            KvPlaneView values,
            AttentionRows rows,
            AttentionShape shape,
            KernelThreads threads) {
        Operands.attention(shape, q, column, out, keys, values);
        threads.attentionTask().run(q, column, out, keys, values, rows, shape);
    }

    @Override
    public void headLinear(
            Matrix x,
            HeadColumns from,
            int rows,
            HeadWeight weight,
            Matrix out,
            HeadColumns to,
            KernelThreads threads) {
        Operands.headLinear(x, from, weight, out, to);
        threads.headLinearTask().run(x, from, rows, weight, out, to);
    }

    @Override
    public void headMix(
            Matrix x,
            HeadColumns from,
            int rows,
            HeadWeight weight,
            Matrix out,
            HeadColumns to,
            KernelThreads threads) {
        Operands.headMix(x, from, weight, out, to);
        threads.headMixTask().run(x, from, rows, weight, out, to);
    }

    @Override
    public void latentAttention(
            Matrix q,
            Matrix out,
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            LatentShape shape,
            KernelThreads threads) {
        Operands.latentAttention(shape, q, out, latents, rotaryKeys);
        threads.attentionTask().runLatent(q, out, latents, rotaryKeys, rows, shape, null);
    }

    @Override
    public void sparseLatentAttention(
            Matrix q,
            Matrix out,
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            LatentShape shape,
            SelectedPositions selected,
            KernelThreads threads) {
        Operands.latentAttention(shape, q, out, latents, rotaryKeys);
        Operands.selection(rows, selected);
        threads.attentionTask().runLatent(q, out, latents, rotaryKeys, rows, shape, selected);
    }

    @Override
    public void selectPositions(
            Matrix q,
            Matrix weights,
            KvPlaneView keys,
            AttentionRows rows,
            SelectedPositions selected,
            KernelThreads threads) {
        Operands.columns("q", weights.columns() * keys.headDim(), q);
        Operands.selection(rows, selected);
        threads.indexTask().run(q, weights, keys, rows, selected);
    }

    @Override
    public void widen(DType dtype, MemorySegment data, float[] out, int count) {
        VectorWidening.widen(dtype, data, 0, out, 0, count);
    }
}
