package dev.tandem.kernel.scalar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The specification against formulas in double precision. */
class ScalarKernelsTest {
    private static final float EPSILON = 1e-5f;
    private static final int BLOCK_SIZE = 4;

    private final KernelThreads threads = new KernelThreads(2);
    private final Kernels kernels = new ScalarKernels(threads);
    private final TestData data = new TestData(7);

    @AfterEach
    void close() {
        threads.close();
    }

    @Test
    void shouldMultiplyByTheTransposedWeight() {
        Matrix x = data.matrix(3, 50);
        Tensor weight = data.tensor(DType.F32, 7, 50);
        Matrix out = Matrix.of(3, 9);
        kernels.linear(x, 3, weight, out, 2);
        for (int r = 0; r < 3; r++) {
            assertThat(out.values()[out.offset(r) + 1]).isZero();
            for (int o = 0; o < 7; o++) {
                double sum = 0;
                for (int i = 0; i < 50; i++) {
                    sum += (double) x.values()[r * 50 + i] * weight.data().get(StoredValues.FLOAT, 4L * (o * 50 + i));
                }
                assertThat((double) out.values()[out.offset(r) + 2 + o]).isCloseTo(sum, within(1e-5));
            }
        }
    }

    @Test
    void shouldMultiplyChosenRowsAsItMultipliesAll() {
        Matrix x = data.matrix(4, 64);
        Tensor weight = data.tensor(DType.Q4_1, 5, 64);
        Matrix all = Matrix.of(4, 5);
        kernels.linear(x, 4, weight, all, 0);
        Matrix chosen = Matrix.of(6, 5);
        kernels.linearRows(x, new int[] {3, 1}, weight, chosen, new int[] {0, 5}, 2);
        assertThat(TestData.row(chosen, 0)).containsExactly(TestData.row(all, 3));
        assertThat(TestData.row(chosen, 5)).containsExactly(TestData.row(all, 1));
        assertThat(TestData.row(chosen, 1)).containsOnly(0f);
    }

    @Test
    void shouldWidenEmbeddingRows() {
        Tensor table = data.tensor(DType.BF16, 10, 6);
        Matrix out = Matrix.of(2, 6);
        kernels.embed(new int[] {9, 0}, 2, table, out);
        var widened = new float[60];
        kernels.widen(DType.BF16, table.data(), widened, 60);
        for (int i = 0; i < 6; i++) {
            assertThat(out.values()[i]).isEqualTo(widened[54 + i]);
            assertThat(out.values()[6 + i]).isEqualTo(widened[i]);
        }
    }

    @Test
    void shouldNormaliseRowsAndHeads() {
        Matrix x = data.matrix(2, 24);
        float[] before = x.values().clone();
        Tensor weight = data.tensor(DType.F32, 24);
        Matrix out = Matrix.of(2, 24);
        kernels.rmsNorm(x, 2, weight, EPSILON, out);
        Tensor headWeight = data.tensor(DType.F32, 8);
        kernels.headNorm(x, 2, 8, 2, headWeight, EPSILON);
        for (int r = 0; r < 2; r++) {
            assertNormalised(before, r * 24, weight, 24, out.values());
            assertNormalised(before, r * 24 + 8, headWeight, 8, x.values());
            assertNormalised(before, r * 24 + 16, headWeight, 8, x.values());
            assertThat(x.values()[r * 24 + 7]).isEqualTo(before[r * 24 + 7]);
        }
    }

    private static void assertNormalised(float[] before, int at, Tensor weight, int count, float[] out) {
        double squares = 0;
        for (int i = 0; i < count; i++) {
            squares += (double) before[at + i] * before[at + i];
        }
        double root = Math.sqrt(squares / count + EPSILON);
        for (int i = 0; i < count; i++) {
            double expected = weight.data().get(StoredValues.FLOAT, 4L * i) * before[at + i] / root;
            assertThat((double) out[at + i]).isCloseTo(expected, within(1e-5));
        }
    }

    @Test
    void shouldTurnPairsByPositionTimesFrequency() {
        var table = RotaryTable.of(new double[] {1, 0.1}, 10, 1);
        var x = new Matrix(new float[] {9, 1, 2, 3, 4, 9}, 1, 6);
        kernels.rotate(x, 1, 1, 1, 4, new int[] {5}, table);
        double[] angles = {5, 0.5};
        for (int i = 0; i < 2; i++) {
            double first = i + 1;
            double second = i + 3;
            double cosine = Math.cos(angles[i]);
            double sine = Math.sin(angles[i]);
            assertThat((double) x.values()[1 + i]).isCloseTo(first * cosine - second * sine, within(1e-6));
            assertThat((double) x.values()[3 + i]).isCloseTo(second * cosine + first * sine, within(1e-6));
        }
        assertThat(x.values()[0]).isEqualTo(9);
        assertThat(x.values()[5]).isEqualTo(9);
    }

    @Test
    void shouldAddAndScaleRows() {
        var x = new Matrix(new float[] {1, 2, 3, 4}, 2, 2);
        var y = new Matrix(new float[] {10, 20, 30, 40}, 2, 2);
        kernels.add(x, y, 2);
        assertThat(x.values()).containsExactly(11, 22, 33, 44);
        kernels.addScaledRow(x, 1, 0.5f, y, 0);
        assertThat(x.values()).containsExactly(11, 22, 38, 54);
    }

    @Test
    void shouldGateWithSilu() {
        Matrix gate = data.matrix(1, 9);
        Matrix up = data.matrix(1, 9);
        float[] before = gate.values().clone();
        kernels.siluMultiply(gate, up, 1, 9);
        for (int i = 0; i < 9; i++) {
            double expected = before[i] / (1 + Math.exp(-before[i])) * up.values()[i];
            assertThat((double) gate.values()[i]).isCloseTo(expected, within(1e-6));
        }
    }

    @Test
    void shouldGiveProbabilitiesThatSumToOne() {
        Matrix x = data.matrix(2, 40);
        float[] before = x.values().clone();
        kernels.softmax(x, 2, 33);
        double sum = 0;
        for (int i = 0; i < 33; i++) {
            sum += x.values()[i];
            double ratio = Math.exp(before[i] - before[0]);
            assertThat((double) x.values()[i] / x.values()[0]).isCloseTo(ratio, within(1e-5));
        }
        assertThat(sum).isCloseTo(1, within(1e-6));
        assertThat(x.values()[33]).isEqualTo(before[33]);
    }

    @Test
    void shouldAttendToEveryEarlierTokenOfItsOwnSequence() {
        int headDim = 6;
        var shape = new AttentionShape(4, 2, headDim, 0.3f);
        KvPlaneView keys = plane(headDim);
        KvPlaneView values = plane(headDim);
        int[] blockTable = {3, 1};
        int[] slots = {12, 13, 14, 15, 4};
        Matrix k = data.matrix(5, 2 * headDim);
        Matrix v = data.matrix(5, 2 * headDim);
        PlainOperations.storeKv(k, 5, 0, keys, slots);
        PlainOperations.storeKv(v, 5, 0, values, slots);
        Matrix q = data.matrix(2, 4 * headDim);
        Matrix out = Matrix.of(2, 4 * headDim);
        var rows = new AttentionRows(2, new int[] {4, 0}, new int[][] {blockTable, blockTable}, BLOCK_SIZE);
        kernels.attention(q, 0, out, keys, values, rows, shape);
        for (int h = 0; h < 4; h++) {
            double[] expected = attend(q, 0, h, k, v, 5, headDim, 0.3);
            for (int i = 0; i < headDim; i++) {
                assertThat((double) out.values()[h * headDim + i]).isCloseTo(expected[i], within(1e-5));
                assertThat(out.values()[out.offset(1) + h * headDim + i])
                        .as("a first token sees only itself")
                        .isEqualTo(v.values()[h / 2 * headDim + i]);
            }
        }
    }

    private static double[] attend(Matrix q, int row, int head, Matrix k, Matrix v, int length, int dim, double scale) {
        var weights = new double[length];
        double sum = 0;
        for (int s = 0; s < length; s++) {
            double dot = 0;
            for (int i = 0; i < dim; i++) {
                dot += (double) q.values()[q.offset(row) + head * dim + i]
                        * k.values()[k.offset(s) + head / 2 * dim + i];
            }
            weights[s] = Math.exp(scale * dot);
            sum += weights[s];
        }
        var out = new double[dim];
        for (int s = 0; s < length; s++) {
            for (int i = 0; i < dim; i++) {
                out[i] += weights[s] / sum * v.values()[v.offset(s) + head / 2 * dim + i];
            }
        }
        return out;
    }

    @Test
    void shouldRefuseOperandsThatDoNotFit() {
        Tensor weight = data.tensor(DType.F32, 4, 8);
        assertThatThrownBy(() -> kernels.linear(Matrix.of(1, 7), 1, weight, Matrix.of(1, 4), 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("x needs 8 columns and has 7");
        assertThatThrownBy(() -> kernels.linear(Matrix.of(1, 8), 1, weight, Matrix.of(1, 4), 1))
                .hasMessage("out needs 5 columns and has 4");
        var bytes = new Tensor(DType.I8, List.of(4, 8), MemorySegment.ofArray(new byte[32]));
        assertThatThrownBy(() -> kernels.linear(Matrix.of(1, 8), 1, bytes, Matrix.of(1, 4), 0))
                .hasMessageContaining("I8");
    }

    private static KvPlaneView plane(int headDim) {
        var memory = MemorySegment.ofArray(new byte[2 * headDim * Float.BYTES * BLOCK_SIZE * 4]);
        return new KvPlaneView(DType.F32, 2, headDim, BLOCK_SIZE, memory);
    }
}
