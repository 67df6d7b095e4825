package dev.tandem.kernel.scalar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What latent attention is made of, against the formulas in double precision. */
class ScalarLatentTest {
    private static final int BLOCK_SIZE = 4;
    private static final double EPSILON = 1e-6;

    private final KernelThreads threads = new KernelThreads(2, 1);
    private final Kernels kernels = new ScalarKernels(threads);
    private final TestData data = new TestData(5);

    @AfterEach
    void close() {
        threads.close();
    }

    @Test
    void shouldMakeSigmoidOfFirstColumns() {
        var x = new Matrix(new float[] {0, 2, -3, 7}, 2, 2);
        PlainOperations.sigmoid(x, 1, 2);
        assertThat((double) x.values()[0]).isEqualTo(0.5);
        assertThat((double) x.values()[1]).isCloseTo(1 / (1 + Math.exp(-2)), within(EPSILON));
        assertThat(x.values()[2]).isEqualTo(-3);
    }

    @Test
    void shouldNormLayersAroundTheirMean() {
        Matrix x = data.matrix(1, 20);
        float[] before = x.values().clone();
        Tensor weight = data.tensor(DType.F32, 18);
        Tensor bias = data.tensor(DType.BF16, 18);
        new LayerNorm(weight, bias, 0.1f).apply(x, 1);
        double mean = 0;
        double squares = 0;
        for (int i = 0; i < 18; i++) {
            mean += before[i] / 18.0;
            squares += before[i] * (double) before[i] / 18;
        }
        double root = Math.sqrt(squares - mean * mean + 0.1f);
        var weights = new float[18];
        var biases = new float[18];
        kernels.widen(DType.F32, weight.data(), weights, 18);
        kernels.widen(DType.BF16, bias.data(), biases, 18);
        for (int i = 0; i < 18; i++) {
            double expected = weights[i] * (before[i] - mean) / root + biases[i];
            assertThat((double) x.values()[i]).isCloseTo(expected, within(1e-5));
        }
        assertThat(x.values()[18]).isEqualTo(before[18]);
    }

    @Test
    void shouldTurnNeighboursByPositionTimesFrequency() {
        var table = RotaryTable.of(new double[] {1, 0.1}, 10, 2);
        var x = new Matrix(new float[] {9, 1, 2, 3, 4, 8, 5, 6, 7, 8}, 1, 10);
        PlainOperations.rotateInterleaved(x, 1, new HeadColumns(1, 5), 2, new int[] {5}, table);
        double[] angles = {5, 0.5};
        for (int i = 0; i < 2; i++) {
            double first = 1 + 2 * i;
            double second = 2 + 2 * i;
            double cosine = 2 * Math.cos(angles[i]);
            double sine = 2 * Math.sin(angles[i]);
            assertThat((double) x.values()[1 + 2 * i]).isCloseTo(first * cosine - second * sine, within(1e-5));
            assertThat((double) x.values()[2 + 2 * i]).isCloseTo(second * cosine + first * sine, within(1e-5));
        }
        assertThat(x.values()[0]).isEqualTo(9);
        assertThat(x.values()[5]).isEqualTo(8);
        assertThat(x.values()[6]).isNotEqualTo(5);
    }

    @Test
    void shouldMultiplyHeadsByTheirOwnRows() {
        var weight = new HeadWeight(ascending(2 * 3, 2), 2, 1, 2); // head 0: rows 1 and 2, head 1: rows 4 and 5
        var x = new Matrix(new float[] {0, 1, 2, 10, 20}, 1, 5);
        Matrix out = Matrix.of(1, 6);
        kernels.headLinear(x, new HeadColumns(1, 2), 1, weight, out, new HeadColumns(0, 3));
        assertThat(out.values()).containsExactly(2 + 2 * 3, 4 + 2 * 5, 0, 8 * 10 + 9 * 20, 10 * 10 + 11 * 20, 0);
    }

    @Test
    void shouldMixRowsOfHeadsByTheirFactors() {
        var weight = new HeadWeight(ascending(2 * 3, 2), 2, 1, 2);
        var x = new Matrix(new float[] {0, 1, 2, 10, 20}, 1, 5);
        Matrix out = Matrix.of(1, 5);
        kernels.headMix(x, new HeadColumns(1, 2), 1, weight, out, new HeadColumns(0, 3));
        assertThat(out.values()).containsExactly(2 + 2 * 4, 3 + 2 * 5, 0, 8 * 10 + 10 * 20, 9 * 10 + 11 * 20);
    }

    /** Values 0, 1, 2, ... */
    private Tensor ascending(int rows, int columns) {
        var memory = data.memory(4L * rows * columns);
        for (int i = 0; i < rows * columns; i++) {
            memory.set(StoredValues.FLOAT, 4L * i, i);
        }
        return new Tensor(DType.F32, List.of(rows, columns), memory);
    }

    @Test
    void shouldAttendToLatentsThroughLatentAndRotaryKey() {
        var shape = new LatentShape(2, 5, 2, 0.4f);
        Matrix latents = data.matrix(6, 5);
        Matrix rotaryKeys = data.matrix(6, 2);
        int[] slots = {12, 13, 14, 15, 4, 5};
        KvPlaneView latentPlane = stored(latents, slots);
        KvPlaneView rotaryPlane = stored(rotaryKeys, slots);
        Matrix q = data.matrix(1, 2 * 7);
        Matrix out = Matrix.of(1, 2 * 5);
        var rows = new AttentionRows(1, new int[] {5}, new int[][] {{3, 1}}, BLOCK_SIZE);
        kernels.latentAttention(q, out, latentPlane, rotaryPlane, rows, shape);
        assertAttended(out, q, latents, rotaryKeys, new int[] {0, 1, 2, 3, 4, 5});

        var selected = new SelectedPositions(1, 3);
        selected.selectBest(0, new float[] {0, 3, 1, 0, 2, 1}, 0, 6, new int[SelectedPositions.HISTOGRAM]);
        kernels.sparseLatentAttention(q, out, latentPlane, rotaryPlane, rows, shape, selected);
        assertAttended(out, q, latents, rotaryKeys, new int[] {1, 2, 4});
    }

    private static void assertAttended(Matrix out, Matrix q, Matrix latents, Matrix rotaryKeys, int[] positions) {
        for (int h = 0; h < 2; h++) {
            var weights = new double[positions.length];
            double sum = 0;
            for (int s = 0; s < positions.length; s++) {
                double dot = dot(q, h * 7, latents, positions[s]) + dot(q, h * 7 + 5, rotaryKeys, positions[s]);
                weights[s] = Math.exp(0.4 * dot);
                sum += weights[s];
            }
            for (int i = 0; i < 5; i++) {
                double expected = 0;
                for (int s = 0; s < positions.length; s++) {
                    expected += weights[s] / sum * latents.values()[latents.offset(positions[s]) + i];
                }
                assertThat((double) out.values()[h * 5 + i]).isCloseTo(expected, within(1e-5));
            }
        }
    }

    private static double dot(Matrix q, int at, Matrix keys, int row) {
        double dot = 0;
        for (int i = 0; i < keys.columns(); i++) {
            dot += (double) q.values()[at + i] * keys.values()[keys.offset(row) + i];
        }
        return dot;
    }

    private KvPlaneView stored(Matrix values, int[] slots) {
        var view = new KvPlaneView(
                DType.F32, 1, values.columns(), BLOCK_SIZE, data.memory(16L * Float.BYTES * values.columns()));
        PlainOperations.storeKv(values, values.rows(), 0, view, slots);
        return view;
    }

    @Test
    void shouldSelectByWeighedPositiveScores() {
        var keys = new Matrix(new float[] {1, 0, 0, 1, -1, 0, 1, 1, 0, -1}, 5, 2);
        int[] slots = {0, 1, 2, 3, 4};
        var q = new Matrix(new float[] {1, 0, 0, 1}, 1, 4); // scores of head 0: 1 0 0 1 0, of head 1: 0 1 0 1 0
        var weights = new Matrix(new float[] {2, -1}, 1, 2); // together: 2 -1 0 1 0
        var rows = new AttentionRows(1, new int[] {4}, new int[][] {{0, 1}}, BLOCK_SIZE);
        var selected = new SelectedPositions(1, 3);
        kernels.selectPositions(q, weights, stored(keys, slots), rows, selected);
        assertThat(selected.count(0)).isEqualTo(3);
        assertThat(new int[] {selected.position(0, 0), selected.position(0, 1), selected.position(0, 2)})
                .containsExactly(0, 2, 3);
        var early = new AttentionRows(1, new int[] {1}, new int[][] {{0, 1}}, BLOCK_SIZE);
        kernels.selectPositions(q, weights, stored(keys, slots), early, selected);
        assertThat(selected.count(0)).as("all there are").isEqualTo(2);
    }

    @Test
    void shouldRefuseOperandsThatDoNotFit() {
        var shape = new LatentShape(2, 5, 2, 1);
        KvPlaneView plane = stored(data.matrix(1, 5), new int[] {0});
        var rows = new AttentionRows(1, new int[] {0}, new int[][] {{0}}, BLOCK_SIZE);
        assertThatThrownBy(() -> kernels.latentAttention(Matrix.of(1, 14), Matrix.of(1, 10), plane, plane, rows, shape))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("does not fit");
        assertThatThrownBy(() -> new HeadWeight(ascending(6, 2), 2, 1, 3))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("rows 1 to 4 of each of 2 heads are not in a weight of 6 rows");
        var weight = new HeadWeight(ascending(6, 2), 2, 0, 3);
        assertThatThrownBy(() -> kernels.headLinear(
                        Matrix.of(1, 3), new HeadColumns(0, 2), 1, weight, Matrix.of(1, 6), new HeadColumns(0, 3)))
                .hasMessage("x needs 4 columns and has 3");
    }
}
