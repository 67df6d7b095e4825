package dev.tandem.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.HeadColumns;
import dev.tandem.kernel.HeadWeight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.kernel.scalar.TestData;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What latent attention is made of gives the same bits in vector kernels as in scalar ones. The build runs this class once for every vector
 * width, as it does {@link VectorAgreementTest}.
 */
class LatentAgreementTest {
    private static final int[] POSITIONS = {0, 1, 2, 3, 4, 5, 6, 7, 8, 33, 34, 35, 36, 70, 12, 0};
    private static final int SECOND_SEQUENCE = 9;
    private static final int TOKENS = 71;

    private final KernelThreads threads = new KernelThreads(3, 1);
    private final Kernels scalar = new ScalarKernels(threads);
    private final Kernels vector = new VectorKernels(threads);
    private final TestData data = new TestData(43);

    @AfterEach
    void close() {
        threads.close();
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void shouldAgreeOnProductsByHead(DType dtype) {
        for (int columns : new int[] {1, 16, 33, 64, 512}) {
            for (int outputs : new int[] {1, 5, 16, 37}) {
                var weight = new HeadWeight(data.tensor(dtype, 3 * (outputs + 4), columns), 3, 3, outputs);
                for (int rows : new int[] {1, 2, 5, 67}) {
                    assertProductsAgree(weight, rows);
                }
            }
        }
    }

    private void assertProductsAgree(HeadWeight weight, int rows) {
        int in = weight.columns() + 2;
        int out = weight.rows() + 3;
        Matrix x = data.matrix(rows, 3 * in + 1);
        Matrix expected = Matrix.of(rows, 3 * out + 1);
        Matrix actual = Matrix.of(rows, 3 * out + 1);
        var from = new HeadColumns(1, in);
        var to = new HeadColumns(2, out);
        scalar.headLinear(x, from, rows, weight, expected, to);
        vector.headLinear(x, from, rows, weight, actual, to);
        assertSameBits(actual, expected, "product " + weight + " rows " + rows);
        Matrix mixedBy = data.matrix(rows, 3 * out + 1);
        Matrix expectedMix = Matrix.of(rows, 3 * in + 1);
        Matrix actualMix = Matrix.of(rows, 3 * in + 1);
        scalar.headMix(mixedBy, to, rows, weight, expectedMix, from);
        vector.headMix(mixedBy, to, rows, weight, actualMix, from);
        assertSameBits(actualMix, expectedMix, "mix " + weight + " rows " + rows);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void shouldAgreeOnLatentAttention(DType dtype) {
        for (int blockSize : new int[] {1, 5, 16, 64}) {
            assertAttentionAgrees(dtype, new LatentShape(16, 64, 16, 0.125f), blockSize);
        }
        assertAttentionAgrees(dtype, new LatentShape(1, 64, 16, 0.125f), 16);
        assertAttentionAgrees(dtype, new LatentShape(3, 37, 6, 0.125f), 16);
        assertAttentionAgrees(dtype, new LatentShape(40, 128, 64, 0.05f), 32);
        assertAttentionAgrees(dtype, new LatentShape(4, 1536, 64, 0.05f), 32);
    }

    private void assertAttentionAgrees(DType dtype, LatentShape shape, int blockSize) {
        int blocks = Math.ceilDiv(TOKENS, blockSize);
        KvPlaneView latents = filled(dtype, shape.latent(), blockSize, 2 * blocks);
        KvPlaneView rotaryKeys = filled(dtype, shape.rotary(), blockSize, 2 * blocks);
        for (int from : new int[] {0, 8, 13, 15}) {
            AttentionRows rows = rows(from, blocks, blockSize);
            Matrix q = data.matrix(rows.count(), shape.heads() * shape.query());
            Matrix expected = Matrix.of(rows.count(), shape.heads() * shape.latent());
            Matrix actual = Matrix.of(rows.count(), shape.heads() * shape.latent());
            scalar.latentAttention(q, expected, latents, rotaryKeys, rows, shape);
            vector.latentAttention(q, actual, latents, rotaryKeys, rows, shape);
            assertSameBits(actual, expected, dtype + " " + shape + " blocks of " + blockSize);

            SelectedPositions selected = everyThird(rows);
            scalar.sparseLatentAttention(q, expected, latents, rotaryKeys, rows, shape, selected);
            vector.sparseLatentAttention(q, actual, latents, rotaryKeys, rows, shape, selected);
            assertSameBits(actual, expected, "sparse " + dtype + " " + shape + " blocks of " + blockSize);

            SelectedPositions all = all(rows);
            vector.latentAttention(q, expected, latents, rotaryKeys, rows, shape);
            vector.sparseLatentAttention(q, actual, latents, rotaryKeys, rows, shape, all);
            assertSameBits(actual, expected, "all positions selected " + shape);
        }
    }

    private AttentionRows rows(int from, int blocks, int blockSize) {
        int[][] tables = {data.permutation(2 * blocks), data.permutation(2 * blocks)};
        var rowTables = new int[POSITIONS.length][];
        for (int r = 0; r < POSITIONS.length; r++) {
            rowTables[r] = tables[r < SECOND_SEQUENCE ? 0 : 1];
        }
        return new AttentionRows(
                POSITIONS.length - from,
                Arrays.copyOfRange(POSITIONS, from, POSITIONS.length),
                Arrays.copyOfRange(rowTables, from, POSITIONS.length),
                blockSize);
    }

    private KvPlaneView filled(DType dtype, int headDim, int blockSize, int blocks) {
        long bytes = dtype.bytes((long) headDim * blockSize * blocks);
        var view = new KvPlaneView(dtype, 1, headDim, blockSize, data.memory(bytes));
        int slots = blocks * blockSize;
        PlainOperations.storeKv(data.matrix(slots, headDim), slots, 0, view, data.permutation(slots));
        return view;
    }

    /** Scores of one row that select every third position and its neighbour now and then. */
    private static SelectedPositions everyThird(AttentionRows rows) {
        var selected = new SelectedPositions(rows.count(), TOKENS / 2);
        for (int r = 0; r < rows.count(); r++) {
            var scores = new float[rows.positions()[r] + 1];
            for (int i = 0; i < scores.length; i++) {
                scores[i] = i % 3 == 0 || i % 11 == 1 ? 1 : 0;
            }
            if (scores.length <= selected.most()) {
                selected.selectAll(r, scores.length);
            } else {
                selected.selectBest(r, scores, 0, scores.length, new int[SelectedPositions.HISTOGRAM]);
            }
        }
        return selected;
    }

    private static SelectedPositions all(AttentionRows rows) {
        var selected = new SelectedPositions(rows.count(), TOKENS);
        for (int r = 0; r < rows.count(); r++) {
            selected.selectAll(r, rows.positions()[r] + 1);
        }
        return selected;
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 8, 35, 100})
    void shouldAgreeOnSelectedPositions(int most) {
        for (int heads : new int[] {1, 3, 8, 64}) {
            for (int headDim : new int[] {6, 32, 128}) {
                KvPlaneView keys = filled(DType.BF16, headDim, 16, 10);
                AttentionRows rows = rows(0, 5, 16);
                Matrix q = data.matrix(rows.count(), heads * headDim);
                Matrix weights = data.matrix(rows.count(), heads);
                var expected = new SelectedPositions(rows.count(), most);
                var actual = new SelectedPositions(rows.count(), most);
                scalar.selectPositions(q, weights, keys, rows, expected);
                vector.selectPositions(q, weights, keys, rows, actual);
                for (int r = 0; r < rows.count(); r++) {
                    assertThat(positions(actual, r))
                            .as("%d heads of %d, row %d", heads, headDim, r)
                            .containsExactly(positions(expected, r));
                }
            }
        }
    }

    @Test
    void shouldAgreeOnSelectedPositionsOfLongContexts() {
        int length = 1700; // several ranges of positions, the last one not whole
        KvPlaneView keys = filled(DType.BF16, 32, 64, 27);
        int[] blockTable = data.permutation(27);
        var rows = new AttentionRows(2, new int[] {length - 1, 400}, new int[][] {blockTable, blockTable}, 64);
        Matrix q = data.matrix(2, 8 * 32);
        Matrix weights = data.matrix(2, 8);
        var expected = new SelectedPositions(2, 512);
        var actual = new SelectedPositions(2, 512);
        scalar.selectPositions(q, weights, keys, rows, expected);
        vector.selectPositions(q, weights, keys, rows, actual);
        assertThat(expected.count(0)).isEqualTo(512);
        assertThat(expected.count(1)).isEqualTo(401);
        assertThat(positions(actual, 0)).containsExactly(positions(expected, 0));
        assertThat(positions(actual, 1)).containsExactly(positions(expected, 1));
    }

    private static int[] positions(SelectedPositions selected, int row) {
        var positions = new int[selected.count(row)];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = selected.position(row, i);
        }
        return positions;
    }

    private static void assertSameBits(Matrix actual, Matrix expected, String what) {
        assertThat(bits(actual.values())).as(what).isEqualTo(bits(expected.values()));
    }

    private static int[] bits(float[] values) {
        var bits = new int[values.length];
        for (int i = 0; i < values.length; i++) {
            bits[i] = Float.floatToIntBits(values[i]);
        }
        return bits;
    }
}
