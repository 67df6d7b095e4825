package dev.tandem.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The specification of {@link Kernels} in plain loops: what each operation computes, value by value, in which order. Slow next to {@link
 * VectorKernels}, which must give the same bits. Stateless; scratch belongs to the {@link KernelThreads} of the call.
 */
public final class ScalarKernels implements Kernels {
    @Override
    public String name() {
        return "scalar";
    }

    @Override
    public void linear(Matrix x, int rows, LinearWeight weight, Matrix out, int outColumn, KernelThreads threads) {
        Operands.rows(rows, x);
        Operands.rows(rows, out);
        int[] identity = IntStream.range(0, rows).toArray();
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
            int count,
            KernelThreads threads) {
        Operands.linear(x, weight, out, outColumn);
        switch (weight) {
            case Tensor stored -> linearStored(x, fromRows, stored, out, toRows, outColumn, count, threads);
            case Int8Weight int8 -> linearInt8(x, fromRows, int8, out, toRows, outColumn, count, threads);
        }
    }

    private static void linearStored(
            Matrix x,
            int[] fromRows,
            Tensor weight,
            Matrix out,
            int[] toRows,
            int outColumn,
            int count,
            KernelThreads threads) {
        int inputs = weight.columns();
        int outputs = weight.rows();
        threads.run((slice, slices) -> {
            float[] lanes = threads.scratch(slice).lanes;
            float[] widened = threads.scratch(slice).widened(inputs);
            for (int o = from(outputs, slice, slices); o < from(outputs, slice + 1, slices); o++) {
                StoredValues.widen(weight.dtype(), weight.data(), o * weight.rowBytes(), widened, 0, inputs);
                for (int i = 0; i < count; i++) {
                    out.values()[out.offset(toRows[i]) + outColumn + o] =
                            Lanes.dot(x.values(), x.offset(fromRows[i]), widened, 0, inputs, lanes);
                }
            }
        });
    }

    private static void linearInt8(
            Matrix x,
            int[] fromRows,
            Int8Weight weight,
            Matrix out,
            int[] toRows,
            int outColumn,
            int count,
            KernelThreads threads) {
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
            for (int o = from(outputs, slice, slices); o < from(outputs, slice + 1, slices); o++) {
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
    public void linear(Matrix x, int rows, List<LinearPart> parts, KernelThreads threads) {
        Operands.parts(x, parts);
        for (LinearPart part : parts) {
            linear(x, rows, part.weight(), part.out(), part.outColumn(), threads);
        }
    }

    @Override
    public void linearRows(
            Matrix x, int[] fromRows, List<LinearPart> parts, int[] toRows, int count, KernelThreads threads) {
        Operands.parts(x, parts);
        for (LinearPart part : parts) {
            linear(x, fromRows, part.weight(), part.out(), toRows, part.outColumn(), count, threads);
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
    public void rmsNorm(Matrix x, int rows, Tensor weight, float epsilon, Matrix out, KernelThreads threads) {
        int columns = weight.columns();
        Operands.columns("x", columns, x);
        Operands.columns("out", columns, out);
        threads.run((slice, slices) -> {
            float[] widened = threads.scratch(slice).widened(columns);
            StoredValues.widen(weight.dtype(), weight.data(), 0, widened, 0, columns);
            for (int r = from(rows, slice, slices); r < from(rows, slice + 1, slices); r++) {
                norm(
                        x.values(),
                        x.offset(r),
                        widened,
                        columns,
                        epsilon,
                        out.values(),
                        out.offset(r),
                        threads.scratch(slice).lanes);
            }
        });
    }

    @Override
    public void headNorm(
            Matrix x, int rows, int column, int heads, Tensor weight, float epsilon, KernelThreads threads) {
        int headDim = weight.columns();
        Operands.columns("x", column + heads * headDim, x);
        threads.run((slice, slices) -> {
            float[] widened = threads.scratch(slice).widened(headDim);
            StoredValues.widen(weight.dtype(), weight.data(), 0, widened, 0, headDim);
            for (int r = from(rows, slice, slices); r < from(rows, slice + 1, slices); r++) {
                for (int h = 0; h < heads; h++) {
                    int at = x.offset(r) + column + h * headDim;
                    norm(x.values(), at, widened, headDim, epsilon, x.values(), at, threads.scratch(slice).lanes);
                }
            }
        });
    }

    private static void norm(
            float[] x,
            int xOffset,
            float[] weight,
            int count,
            float epsilon,
            float[] out,
            int outOffset,
            float[] lanes) {
        float squares = Lanes.dot(x, xOffset, x, xOffset, count, lanes);
        float root = rootMeanSquare(squares, count, epsilon);
        for (int i = 0; i < count; i++) {
            out[outOffset + i] = weight[i] * (x[xOffset + i] / root);
        }
    }

    /** The square root is taken in double and rounded once, which is the correctly rounded float root. */
    static float rootMeanSquare(float squares, int count, float epsilon) {
        return (float) Math.sqrt(squares / count + epsilon);
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
        threads.run((slice, slices) -> {
            for (int r = from(rows, slice, slices); r < from(rows, slice + 1, slices); r++) {
                int tableAt = positions[r] * table.pairs();
                for (int h = 0; h < heads; h++) {
                    int at = x.offset(r) + column + h * headDim;
                    rotatePairs(x.values(), at, table.cosines(), table.sines(), tableAt, table.pairs(), 0);
                }
            }
        });
    }

    /** Pairs from..pairs-1 of the head at {@code at}. */
    static void rotatePairs(float[] x, int at, float[] cosines, float[] sines, int tableAt, int pairs, int from) {
        for (int i = from; i < pairs; i++) {
            float first = x[at + i];
            float second = x[at + i + pairs];
            float cosine = cosines[tableAt + i];
            float sine = sines[tableAt + i];
            x[at + i] = Math.fma(first, cosine, -(second * sine));
            x[at + i + pairs] = Math.fma(second, cosine, first * sine);
        }
    }

    @Override
    public void add(Matrix x, Matrix y, int rows, KernelThreads threads) {
        Operands.columns("y", x.columns(), y);
        threads.run((slice, slices) -> {
            for (int r = from(rows, slice, slices); r < from(rows, slice + 1, slices); r++) {
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
    public void siluMultiply(Matrix gate, Matrix up, int rows, int columns, KernelThreads threads) {
        Operands.columns("gate", columns, gate);
        Operands.columns("up", columns, up);
        threads.run((slice, slices) -> {
            for (int r = from(rows, slice, slices); r < from(rows, slice + 1, slices); r++) {
                for (int i = 0; i < columns; i++) {
                    int at = gate.offset(r) + i;
                    gate.values()[at] = silu(gate.values()[at]) * up.values()[up.offset(r) + i];
                }
            }
        });
    }

    static float silu(float v) {
        return v / (1f + Exp.of(-v));
    }

    @Override
    public void softmax(Matrix x, int rows, int columns, KernelThreads threads) {
        Operands.columns("x", columns, x);
        threads.run((slice, slices) -> {
            for (int r = from(rows, slice, slices); r < from(rows, slice + 1, slices); r++) {
                softmax(x.values(), x.offset(r), columns, threads.scratch(slice).lanes);
            }
        });
    }

    static void softmax(float[] values, int offset, int count, float[] lanes) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            max = Math.max(max, values[offset + i]);
        }
        for (int i = 0; i < count; i++) {
            values[offset + i] = Exp.of(values[offset + i] - max);
        }
        float sum = Lanes.sum(values, offset, count, lanes);
        for (int i = 0; i < count; i++) {
            values[offset + i] /= sum;
        }
    }

    @Override
    public void storeKv(Matrix x, int rows, int column, KvPlaneView plane, int[] slots, KernelThreads threads) {
        storeKv(x, rows, column, plane, slots);
    }

    /** Few values and bound by memory, so both implementations store them one at a time on the calling thread. */
    static void storeKv(Matrix x, int rows, int column, KvPlaneView view, int[] slots) {
        int heads = view.heads();
        int headDim = view.headDim();
        Operands.columns("x", column + heads * headDim, x);
        for (int r = 0; r < rows; r++) {
            int block = slots[r] / view.blockSize();
            int offsetInBlock = slots[r] % view.blockSize();
            for (int h = 0; h < heads; h++) {
                long to = KvAddress.of(view, block, h, offsetInBlock);
                int from = x.offset(r) + column + h * headDim;
                StoredValues.store(view.dtype(), x.values(), from, headDim, view.data(), to);
            }
        }
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
        int headDim = shape.headDim();
        int groupHeads = shape.queryHeads() / shape.kvHeads();
        int tasks = rows.count() * shape.queryHeads();
        threads.run((slice, slices) -> {
            for (int task = from(tasks, slice, slices); task < from(tasks, slice + 1, slices); task++) {
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
                        threads.scratch(slice).lanes);
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
        softmax(scores, 0, cache.length, lanes);
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
    public void headLinear(
            Matrix x,
            HeadColumns from,
            int rows,
            HeadWeight weight,
            Matrix out,
            HeadColumns to,
            KernelThreads threads) {
        Operands.headLinear(x, from, weight, out, to);
        ScalarLatent.headLinear(x, from, rows, weight, out, to, threads);
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
        ScalarLatent.headMix(x, from, rows, weight, out, to, threads);
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
            SelectedPositions selected,
            KernelThreads threads) {
        Operands.latentAttention(shape, q, out, latents, rotaryKeys);
        Operands.selection(rows, selected);
        ScalarLatent.attention(q, out, latents, rotaryKeys, rows, shape, selected, threads);
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
        ScalarLatent.selectPositions(q, weights, keys, rows, selected, threads);
    }

    @Override
    public void widen(DType dtype, MemorySegment data, float[] out, int count) {
        StoredValues.widen(dtype, data, 0, out, 0, count);
    }

    /** First of {@code total} items that belongs to a slice. */
    static int from(int total, int slice, int slices) {
        return (int) ((long) total * slice / slices);
    }
}
