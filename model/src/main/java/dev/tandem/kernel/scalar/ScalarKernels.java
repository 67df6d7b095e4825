package dev.tandem.kernel.scalar;

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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The specification of {@link Kernels} in plain loops: what each operation computes, value by value, in which order. Slow next to the
 * implementations with vectors, which must give the same bits; its loops take the scratch that they need from the heap.
 */
public final class ScalarKernels implements Kernels {
    private final KernelThreads threads;

    /** @param threads of the rank that calls these kernels */
    public ScalarKernels(KernelThreads threads) {
        this.threads = threads;
    }

    @Override
    public void checkWith(Runnable check) {
        threads.checkWith(check);
    }

    @Override
    public void linear(Matrix x, int rows, LinearWeight weight, Matrix out, int outColumn) {
        Operands.rows(rows, x);
        Operands.rows(rows, out);
        int[] identity = IntStream.range(0, rows).toArray();
        linear(x, identity, weight, out, identity, outColumn, rows);
    }

    @Override
    public void linearRows(Matrix x, int[] fromRows, LinearWeight weight, Matrix out, int[] toRows, int count) {
        linear(x, fromRows, weight, out, toRows, 0, count);
    }

    private void linear(
            Matrix x, int[] fromRows, LinearWeight weight, Matrix out, int[] toRows, int outColumn, int count) {
        Operands.linear(x, weight, out, outColumn);
        switch (weight) {
            case Tensor stored -> linearStored(x, fromRows, stored, out, toRows, outColumn, count);
            case Int8Weight int8 -> linearInt8(x, fromRows, int8, out, toRows, outColumn, count);
        }
    }

    private void linearStored(
            Matrix x, int[] fromRows, Tensor weight, Matrix out, int[] toRows, int outColumn, int count) {
        int inputs = weight.columns();
        int outputs = weight.rows();
        threads.run((slice, slices) -> {
            float[] lanes = new float[Lanes.COUNT];
            float[] widened = new float[inputs];
            for (int o = KernelThreads.firstOf(outputs, slice, slices);
                    o < KernelThreads.firstOf(outputs, slice + 1, slices);
                    o++) {
                StoredValues.widen(weight.dtype(), weight.data(), o * weight.rowBytes(), widened, 0, inputs);
                for (int i = 0; i < count; i++) {
                    out.values()[out.offset(toRows[i]) + outColumn + o] =
                            Lanes.dot(x.values(), x.offset(fromRows[i]), widened, 0, inputs, lanes);
                }
            }
        });
    }

    private void linearInt8(
            Matrix x, int[] fromRows, Int8Weight weight, Matrix out, int[] toRows, int outColumn, int count) {
        int inputs = weight.columns();
        int outputs = weight.rows();
        var quantised = new byte[count * inputs];
        var rowScales = new float[count];
        for (int i = 0; i < count; i++) {
            rowScales[i] = Int8Rows.quantise(
                    x.values(), x.offset(fromRows[i]), inputs, weight.staticInput(), quantised, i * inputs);
        }
        threads.run((slice, slices) -> {
            var row = new byte[inputs];
            var scale = new float[1];
            var bias = new int[1];
            for (int o = KernelThreads.firstOf(outputs, slice, slices);
                    o < KernelThreads.firstOf(outputs, slice + 1, slices);
                    o++) {
                MemorySegment.copy(weight.values().data(), ValueLayout.JAVA_BYTE, (long) o * inputs, row, 0, inputs);
                Int8Rows.scales(weight, o, 1, scale);
                Int8Rows.biases(weight, o, 1, bias);
                for (int i = 0; i < count; i++) {
                    int sum = Int8Rows.dot(quantised, i * inputs, row, inputs);
                    out.values()[out.offset(toRows[i]) + outColumn + o] =
                            Int8Rows.dequantise(sum, bias[0], rowScales[i], scale[0]);
                }
            }
        });
    }

    @Override
    public void linear(Matrix x, int rows, List<LinearPart> parts) {
        Operands.parts(x, parts);
        for (LinearPart part : parts) {
            linear(x, rows, part.weight(), part.out(), part.outColumn());
        }
    }

    @Override
    public void linearRows(Matrix x, int[] fromRows, List<LinearPart> parts, int[] toRows, int count) {
        Operands.parts(x, parts);
        for (LinearPart part : parts) {
            linear(x, fromRows, part.weight(), part.out(), toRows, part.outColumn(), count);
        }
    }

    @Override
    public void embed(int[] ids, int rows, Tensor table, Matrix out) {
        Operands.columns("out", table.columns(), out);
        for (int r = 0; r < rows; r++) {
            long rowOffset = ids[r] * table.rowBytes();
            StoredValues.widen(table.dtype(), table.data(), rowOffset, out.values(), out.offset(r), table.columns());
        }
    }

    @Override
    public void rmsNorm(Matrix x, int rows, Tensor weight, float epsilon, Matrix out) {
        int columns = weight.columns();
        Operands.columns("x", columns, x);
        Operands.columns("out", columns, out);
        threads.run((slice, slices) -> {
            float[] widened = new float[columns];
            StoredValues.widen(weight.dtype(), weight.data(), 0, widened, 0, columns);
            for (int r = KernelThreads.firstOf(rows, slice, slices);
                    r < KernelThreads.firstOf(rows, slice + 1, slices);
                    r++) {
                ScalarRows.norm(
                        x.values(),
                        x.offset(r),
                        widened,
                        columns,
                        epsilon,
                        out.values(),
                        out.offset(r),
                        new float[Lanes.COUNT]);
            }
        });
    }

    @Override
    public void headNorm(Matrix x, int rows, int column, int heads, Tensor weight, float epsilon) {
        int headDim = weight.columns();
        Operands.columns("x", column + heads * headDim, x);
        threads.run((slice, slices) -> {
            float[] widened = new float[headDim];
            StoredValues.widen(weight.dtype(), weight.data(), 0, widened, 0, headDim);
            for (int r = KernelThreads.firstOf(rows, slice, slices);
                    r < KernelThreads.firstOf(rows, slice + 1, slices);
                    r++) {
                for (int h = 0; h < heads; h++) {
                    int at = x.offset(r) + column + h * headDim;
                    ScalarRows.norm(x.values(), at, widened, headDim, epsilon, x.values(), at, new float[Lanes.COUNT]);
                }
            }
        });
    }

    @Override
    public void rotate(Matrix x, int rows, int column, int heads, int headDim, int[] positions, RotaryTable table) {
        Operands.columns("x", column + heads * headDim, x);
        Operands.rotation(headDim, table);
        threads.run((slice, slices) -> {
            for (int r = KernelThreads.firstOf(rows, slice, slices);
                    r < KernelThreads.firstOf(rows, slice + 1, slices);
                    r++) {
                int tableAt = positions[r] * table.pairs();
                for (int h = 0; h < heads; h++) {
                    int at = x.offset(r) + column + h * headDim;
                    ScalarRows.rotatePairs(x.values(), at, table.cosines(), table.sines(), tableAt, table.pairs(), 0);
                }
            }
        });
    }

    @Override
    public void add(Matrix x, Matrix y, int rows) {
        Operands.columns("y", x.columns(), y);
        threads.run((slice, slices) -> {
            for (int r = KernelThreads.firstOf(rows, slice, slices);
                    r < KernelThreads.firstOf(rows, slice + 1, slices);
                    r++) {
                for (int i = 0; i < x.columns(); i++) {
                    x.values()[x.offset(r) + i] += y.values()[y.offset(r) + i];
                }
            }
        });
    }

    @Override
    public void addScaledRow(Matrix x, int toRow, float scale, Matrix y, int fromRow) {
        Operands.columns("y", x.columns(), y);
        int to = x.offset(toRow);
        int from = y.offset(fromRow);
        for (int i = 0; i < x.columns(); i++) {
            x.values()[to + i] = Math.fma(scale, y.values()[from + i], x.values()[to + i]);
        }
    }

    @Override
    public void siluMultiply(Matrix gate, Matrix up, int rows, int columns) {
        Operands.columns("gate", columns, gate);
        Operands.columns("up", columns, up);
        threads.run((slice, slices) -> {
            for (int r = KernelThreads.firstOf(rows, slice, slices);
                    r < KernelThreads.firstOf(rows, slice + 1, slices);
                    r++) {
                for (int i = 0; i < columns; i++) {
                    int at = gate.offset(r) + i;
                    gate.values()[at] = ScalarRows.silu(gate.values()[at]) * up.values()[up.offset(r) + i];
                }
            }
        });
    }

    @Override
    public void softmax(Matrix x, int rows, int columns) {
        Operands.columns("x", columns, x);
        threads.run((slice, slices) -> {
            for (int r = KernelThreads.firstOf(rows, slice, slices);
                    r < KernelThreads.firstOf(rows, slice + 1, slices);
                    r++) {
                ScalarRows.softmax(x.values(), x.offset(r), columns, new float[Lanes.COUNT]);
            }
        });
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
        int headDim = shape.headDim();
        int groupHeads = shape.queryHeads() / shape.kvHeads();
        int tasks = rows.count() * shape.queryHeads();
        threads.run((slice, slices) -> {
            for (int task = KernelThreads.firstOf(tasks, slice, slices);
                    task < KernelThreads.firstOf(tasks, slice + 1, slices);
                    task++) {
                int r = task / shape.queryHeads();
                int h = task % shape.queryHeads();
                var cache = new CacheRow(keys, values, rows.blockTables()[r], h / groupHeads, rows.positions()[r] + 1);
                int qOffset = q.offset(r) + column + h * headDim;
                attend(
                        q.values(),
                        qOffset,
                        cache,
                        shape.scale(),
                        out.values(),
                        out.offset(r) + h * headDim,
                        new float[Lanes.COUNT]);
            }
        });
    }

    /** What one query head of one row reads: {@code length} tokens of one KV head. */
    @SuppressWarnings("ArrayRecordComponent") // a view of one call's arguments, never compared
    private record CacheRow(KvPlaneView keys, KvPlaneView values, int[] blockTable, int kvHead, int length) {
        void widen(KvPlaneView view, int position, float[] out) {
            int block = blockTable[position / view.blockSize()];
            long at = KvAddress.of(view, block, kvHead, position % view.blockSize());
            StoredValues.widen(view.dtype(), view.data(), at, out, 0, out.length);
        }
    }

    private static void attend(
            float[] q, int qOffset, CacheRow cache, float scale, float[] out, int outOffset, float[] lanes) {
        int headDim = cache.keys.headDim();
        var widened = new float[headDim];
        var scores = new float[cache.length];
        for (int s = 0; s < cache.length; s++) {
            cache.widen(cache.keys, s, widened);
            scores[s] = scale * Lanes.dot(q, qOffset, widened, 0, headDim, lanes);
        }
        ScalarRows.softmax(scores, 0, cache.length, lanes);
        for (int i = 0; i < headDim; i++) {
            out[outOffset + i] = 0f;
        }
        for (int s = 0; s < cache.length; s++) {
            cache.widen(cache.values, s, widened);
            for (int i = 0; i < headDim; i++) {
                out[outOffset + i] = Math.fma(scores[s], widened[i], out[outOffset + i]);
            }
        }
    }

    @Override
    public void headLinear(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        Operands.headLinear(x, from, weight, out, to);
        ScalarLatent.headLinear(x, from, rows, weight, out, to, threads);
    }

    @Override
    public void headMix(Matrix x, HeadColumns from, int rows, HeadWeight weight, Matrix out, HeadColumns to) {
        Operands.headMix(x, from, weight, out, to);
        ScalarLatent.headMix(x, from, rows, weight, out, to, threads);
    }

    @Override
    public void latentAttention(
            Matrix q, Matrix out, KvPlaneView latents, KvPlaneView rotaryKeys, AttentionRows rows, LatentShape shape) {
        Operands.latentAttention(shape, q, out, latents, rotaryKeys);
        ScalarLatent.attention(q, out, latents, rotaryKeys, rows, shape, null, threads);
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
        ScalarLatent.attention(q, out, latents, rotaryKeys, rows, shape, selected, threads);
    }

    @Override
    public void selectPositions(
            Matrix q, Matrix weights, KvPlaneView keys, AttentionRows rows, SelectedPositions selected) {
        Operands.columns("q", weights.columns() * keys.headDim(), q);
        Operands.selection(rows, selected);
        ScalarLatent.selectPositions(q, weights, keys, rows, selected, threads);
    }

    @Override
    public void widen(DType dtype, MemorySegment data, float[] out, int count) {
        StoredValues.widen(dtype, data, 0, out, 0, count);
    }
}
