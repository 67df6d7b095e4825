package dev.tandem.kernel.scalar;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The specification of what latent attention adds to {@link Kernels}, in plain loops: products with one matrix per head, attention over
 * latents, and the choice of positions. Stateless.
 */
final class ScalarLatent {
    private ScalarLatent() {}

    static void headLinear(
            Matrix x,
            HeadColumns from,
            int rows,
            HeadWeight weight,
            Matrix out,
            HeadColumns to,
            KernelThreads threads) {
        int inputs = weight.columns();
        int heads = weight.heads();
        threads.run((slice, slices) -> {
            float[] lanes = new float[Lanes.COUNT];
            float[] widened = new float[inputs];
            for (int h = KernelThreads.firstOf(heads, slice, slices);
                    h < KernelThreads.firstOf(heads, slice + 1, slices);
                    h++) {
                for (int o = 0; o < weight.rows(); o++) {
                    widenRow(weight, h, o, widened);
                    for (int r = 0; r < rows; r++) {
                        out.values()[out.offset(r) + to.of(h) + o] =
                                Lanes.dot(x.values(), x.offset(r) + from.of(h), widened, 0, inputs, lanes);
                    }
                }
            }
        });
    }

    private static void widenRow(HeadWeight weight, int head, int row, float[] widened) {
        Tensor stacked = weight.stacked();
        long at = weight.offset(head, row);
        StoredValues.widen(stacked.dtype(), stacked.data(), at, widened, 0, stacked.columns());
    }

    static void headMix(
            Matrix x,
            HeadColumns from,
            int rows,
            HeadWeight weight,
            Matrix out,
            HeadColumns to,
            KernelThreads threads) {
        int columns = weight.columns();
        int heads = weight.heads();
        threads.run((slice, slices) -> {
            float[] widened = new float[columns];
            for (int h = KernelThreads.firstOf(heads, slice, slices);
                    h < KernelThreads.firstOf(heads, slice + 1, slices);
                    h++) {
                clear(out, rows, to.of(h), columns);
                for (int i = 0; i < weight.rows(); i++) {
                    widenRow(weight, h, i, widened);
                    for (int r = 0; r < rows; r++) {
                        float factor = x.values()[x.offset(r) + from.of(h) + i];
                        addScaled(factor, widened, columns, out.values(), out.offset(r) + to.of(h));
                    }
                }
            }
        });
    }

    private static void clear(Matrix out, int rows, int column, int columns) {
        for (int r = 0; r < rows; r++) {
            for (int i = 0; i < columns; i++) {
                out.values()[out.offset(r) + column + i] = 0f;
            }
        }
    }

    private static void addScaled(float factor, float[] values, int count, float[] out, int at) {
        for (int i = 0; i < count; i++) {
            out[at + i] = Math.fma(factor, values[i], out[at + i]);
        }
    }

    /** @param selected what each row reads; null where that is every position up to its own */
    static void attention(
            Matrix q,
            Matrix out,
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            LatentShape shape,
            @Nullable SelectedPositions selected,
            KernelThreads threads) {
        int tasks = rows.count() * shape.heads();
        threads.run((slice, slices) -> {
            for (int task = KernelThreads.firstOf(tasks, slice, slices);
                    task < KernelThreads.firstOf(tasks, slice + 1, slices);
                    task++) {
                int r = task / shape.heads();
                int h = task % shape.heads();
                float[][] keys = keys(latents, rotaryKeys, rows, selected, r);
                attendHead(
                        q.values(),
                        q.offset(r) + h * shape.query(),
                        keys,
                        shape,
                        out.values(),
                        out.offset(r) + h * shape.latent(),
                        new float[Lanes.COUNT]);
            }
        });
    }

    /** Latent and rotary key of every position that a row reads: [length, latent + rotary]. */
    private static float[][] keys(
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            @Nullable SelectedPositions selected,
            int row) {
        int latent = latents.headDim();
        int length = selected == null ? rows.positions()[row] + 1 : selected.count(row);
        var keys = new float[length][latent + rotaryKeys.headDim()];
        for (int i = 0; i < length; i++) {
            int position = selected == null ? i : selected.position(row, i);
            widen(latents, rows.blockTables()[row], position, keys[i], 0);
            widen(rotaryKeys, rows.blockTables()[row], position, keys[i], latent);
        }
        return keys;
    }

    private static void widen(KvPlaneView view, int[] blockTable, int position, float[] out, int outOffset) {
        int block = blockTable[position / view.blockSize()];
        long at = KvAddress.of(view, block, 0, position % view.blockSize());
        StoredValues.widen(view.dtype(), view.data(), at, out, outOffset, view.headDim());
    }

    private static void attendHead(
            float[] q, int qOffset, float[][] keys, LatentShape shape, float[] out, int outOffset, float[] lanes) {
        var scores = new float[keys.length];
        for (int s = 0; s < keys.length; s++) {
            scores[s] = shape.scale() * Lanes.dot(q, qOffset, keys[s], 0, shape.query(), lanes);
        }
        ScalarRows.softmax(scores, 0, keys.length, lanes);
        for (int i = 0; i < shape.latent(); i++) {
            out[outOffset + i] = 0f;
        }
        for (int s = 0; s < keys.length; s++) {
            addScaled(scores[s], keys[s], shape.latent(), out, outOffset);
        }
    }

    static void selectPositions(
            Matrix q,
            Matrix weights,
            KvPlaneView keys,
            AttentionRows rows,
            SelectedPositions selected,
            KernelThreads threads) {
        threads.run((slice, slices) -> {
            var histogram = new int[SelectedPositions.HISTOGRAM];
            for (int r = KernelThreads.firstOf(rows.count(), slice, slices);
                    r < KernelThreads.firstOf(rows.count(), slice + 1, slices);
                    r++) {
                int length = rows.positions()[r] + 1;
                if (length <= selected.most()) {
                    selected.selectAll(r, length);
                } else {
                    float[] scores = scores(q, weights, keys, rows, r, new float[Lanes.COUNT]);
                    selected.selectBest(r, scores, 0, length, histogram);
                }
            }
        });
    }

    private static float[] scores(
            Matrix q, Matrix weights, KvPlaneView keys, AttentionRows rows, int row, float[] lanes) {
        int headDim = keys.headDim();
        var key = new float[headDim];
        var scores = new float[rows.positions()[row] + 1];
        for (int s = 0; s < scores.length; s++) {
            widen(keys, rows.blockTables()[row], s, key, 0);
            for (int h = 0; h < weights.columns(); h++) {
                float dot = Lanes.dot(q.values(), q.offset(row) + h * headDim, key, 0, headDim, lanes);
                scores[s] = Math.fma(weights.values()[weights.offset(row) + h], Math.max(dot, 0f), scores[s]);
            }
        }
        return scores;
    }
}
