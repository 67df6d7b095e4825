package dev.tandem.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.sun.management.HotSpotDiagnosticMXBean;
import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LinearPart;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.RotaryTable;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.PlainOperations;
import dev.tandem.kernel.scalar.ScalarKernels;
import dev.tandem.kernel.scalar.StoredValues;
import dev.tandem.kernel.scalar.TestData;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Vector kernels give the bits of the scalar ones. The build runs this class once for every vector width (the JVM option MaxVectorSize
 * narrows it), with the machine's own width first.
 */
class VectorAgreementTest {
    private static final int[] AWKWARD_COLUMNS = {1, 7, 16, 17, 31, 33, 96, 576, 1536};
    private static final int[] BLOCK_COLUMNS = {32, 96, 576, 1536};
    private static final int MOST_ROWS = 9;
    private static final float EPSILON = 1e-5f;

    private final KernelThreads threads = new KernelThreads(3, 1);
    private final Kernels scalar = new ScalarKernels(threads);
    private final Kernels vector = new VectorKernels(threads);
    private final TestData data = new TestData(42);

    @AfterEach
    void close() {
        threads.close();
    }

    @Test
    void shouldRunAtTheWidthThatThisJvmWasGiven() {
        var diagnostics = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        int bytes = Integer.parseInt(diagnostics.getVMOption("MaxVectorSize").getValue());
        assertThat(VectorKernels.NAME).isEqualTo("vector-" + Math.min(512, bytes * 8));
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"I8", "I32"},
            mode = EnumSource.Mode.EXCLUDE)
    void shouldAgreeOnLinear(DType dtype) {
        for (int columns : columnsOf(dtype)) {
            for (int outputs : new int[] {1, 3, 4, 17, 37}) {
                Tensor weight = data.tensor(dtype, outputs, columns);
                Matrix x = data.matrix(MOST_ROWS, columns);
                for (int rows : new int[] {1, 2, 4, 5, MOST_ROWS}) {
                    assertLinearAgrees(x, rows, weight);
                }
            }
        }
    }

    private void assertLinearAgrees(Matrix x, int rows, LinearWeight weight) {
        Matrix expected = Matrix.of(rows + 1, weight.rows() + 3);
        Matrix actual = Matrix.of(rows + 1, weight.rows() + 3);
        scalar.linear(x, rows, weight, expected, 2);
        vector.linear(x, rows, weight, actual, 2);
        assertSameBits(actual.values(), expected.values(), describe(weight) + " rows " + rows);
    }

    private static String describe(LinearWeight weight) {
        return switch (weight) {
            case Tensor stored -> stored.dtype() + " " + stored.shape();
            case Int8Weight int8 ->
                (int8.staticInput().isPresent() ? "static" : "dynamic") + " int8 "
                        + int8.values().shape();
        };
    }

    /** Five parts of different types and sizes side by side: more than one loop takes. */
    @Test
    void shouldAgreeOnSeveralWeightsOfTheSameRows() {
        for (int rows : new int[] {1, 3, MOST_ROWS}) {
            assertPartsAgree(rows, storedParts());
        }
    }

    @Test
    void shouldAgreeOnSeveralWeightsOfWhichOneIsInt8() {
        for (int rows : new int[] {1, 3}) {
            List<LinearWeight> weights = new ArrayList<>(storedParts());
            weights.add(1, data.int8(false, 33, 96));
            assertPartsAgree(rows, weights);
        }
    }

    private List<LinearWeight> storedParts() {
        return List.of(
                data.tensor(DType.Q4_1, 70, 96),
                data.tensor(DType.BF16, 3, 96),
                data.tensor(DType.F16, 40, 96),
                data.tensor(DType.Q8_0, 1, 96),
                data.tensor(DType.Q4_0, 35, 96));
    }

    private void assertPartsAgree(int rows, List<? extends LinearWeight> weights) {
        int width = weights.stream().mapToInt(LinearWeight::rows).sum() + 2;
        Matrix x = data.matrix(rows, 96);
        Matrix expected = Matrix.of(rows, width);
        Matrix actual = Matrix.of(rows, width);
        Matrix chosen = Matrix.of(rows, width);
        var parts = new ArrayList<LinearPart>();
        var chosenParts = new ArrayList<LinearPart>();
        int column = 1;
        for (LinearWeight weight : weights) {
            scalar.linear(x, rows, weight, expected, column);
            parts.add(new LinearPart(weight, actual, column));
            chosenParts.add(new LinearPart(weight, chosen, column));
            column += weight.rows();
        }
        vector.linear(x, rows, parts);
        assertSameBits(actual.values(), expected.values(), "parts of " + rows + " rows");
        int[] inOrder = IntStream.range(0, rows).toArray();
        vector.linearRows(x, inOrder, chosenParts, inOrder, rows);
        assertSameBits(chosen.values(), expected.values(), "parts of " + rows + " chosen rows");
        Arrays.fill(chosen.values(), 0f);
        scalar.linear(x, rows, chosenParts);
        assertSameBits(chosen.values(), expected.values(), "plain parts of " + rows + " rows");
    }

    @Test
    void shouldRefuseWeightsOfDifferentColumnsInOneLoop() {
        Matrix out = Matrix.of(1, 8);
        var parts = List.of(
                new LinearPart(data.tensor(DType.F32, 4, 32), out, 0),
                new LinearPart(data.tensor(DType.F32, 4, 16), out, 4));
        assertThatIllegalStateException()
                .isThrownBy(() -> vector.linear(data.matrix(1, 32), 1, parts))
                .withMessage("weights of 32 and 16 columns in one loop");
    }

    @Test
    void shouldAgreeOnLinearOfManyRows() {
        Tensor weight = data.tensor(DType.Q4_1, 50, 1536);
        assertLinearAgrees(data.matrix(150, 1536), 149, weight);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void shouldAgreeOnInt8(boolean isStatic) {
        for (int columns : new int[] {1, 7, 16, 17, 33, 64, 96, 128, 576, 1536}) {
            for (int outputs : new int[] {1, 3, 4, 17, 37}) {
                Int8Weight weight = data.int8(isStatic, outputs, columns);
                Matrix x = data.matrix(MOST_ROWS, columns);
                for (int rows : new int[] {1, 2, 4, 5, MOST_ROWS}) {
                    assertLinearAgrees(x, rows, weight);
                }
            }
        }
        assertLinearAgrees(data.matrix(150, 1536), 149, data.int8(isStatic, 50, 1536));
    }

    /** Sums beyond what a float32 holds exactly, and beyond what one lane may add. */
    @Test
    void shouldAgreeOnInt8OfWideRows() {
        for (int columns : new int[] {VectorInt8.EXACT_COLUMNS, VectorInt8.EXACT_COLUMNS * 2 + 64, 70_001}) {
            Int8Weight weight = data.int8(true, 5, columns);
            weight.values().data().asSlice(0, 2L * columns).fill(Byte.MIN_VALUE);
            Matrix x = data.matrix(3, columns);
            Arrays.fill(x.values(), 0, columns, -1e9f);
            Arrays.fill(x.values(), columns, 2 * columns, 1e9f);
            assertLinearAgrees(x, 1, weight);
            assertLinearAgrees(x, 3, weight);
        }
    }

    @Test
    void shouldAgreeOnInt8OfExtremeActivations() {
        float[] extremes = {
            0f,
            -0f,
            Float.MIN_VALUE,
            190 * Float.MIN_VALUE,
            1e-38f,
            1e-29f,
            Float.MAX_VALUE,
            Float.NEGATIVE_INFINITY,
            Float.POSITIVE_INFINITY,
            Float.NaN
        };
        for (boolean isStatic : new boolean[] {false, true}) {
            Int8Weight weight = data.int8(isStatic, 5, 65);
            for (float extreme : extremes) {
                for (int at : new int[] {3, 64}) {
                    Matrix x = Matrix.of(2, 65);
                    x.values()[at] = extreme;
                    x.values()[66] = -extreme;
                    x.values()[70] = 1f;
                    assertLinearAgrees(x, 1, weight);
                    assertLinearAgrees(x, 2, weight);
                }
            }
        }
    }

    @Test
    void shouldAgreeOnLinearOverHeapMemory() {
        Tensor bytes = onHeap(data.tensor(DType.BF16, 9, 96), new byte[9 * 96 * 2]);
        assertLinearAgrees(data.matrix(2, 96), 1, bytes);
        assertLinearAgrees(data.matrix(2, 96), 2, bytes);
        var floats = new float[9 * 96];
        data.fill(floats);
        Tensor heapFloats = new Tensor(DType.F32, List.of(9, 96), MemorySegment.ofArray(floats));
        assertLinearAgrees(data.matrix(2, 96), 1, heapFloats);
        assertLinearAgrees(data.matrix(2, 96), 2, heapFloats);
    }

    private static Tensor onHeap(Tensor tensor, byte[] memory) {
        var segment = MemorySegment.ofArray(memory).copyFrom(tensor.data());
        return new Tensor(tensor.dtype(), tensor.shape(), segment);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "Q8_0", "Q4_0"})
    void shouldAgreeOnScatteredRows(DType dtype) {
        Tensor weight = data.tensor(dtype, 40, 96);
        Matrix x = data.matrix(8, 96);
        int[] from = {7, 2, 2, 0, 5};
        int[] to = {0, 3, 1, 6, 2};
        for (int count = 0; count <= 5; count++) {
            Matrix expected = Matrix.of(7, 40);
            Matrix actual = Matrix.of(7, 40);
            scalar.linearRows(x, from, weight, expected, to, count);
            vector.linearRows(x, from, weight, actual, to, count);
            assertSameBits(actual.values(), expected.values(), dtype + " count " + count);
        }
    }

    @Test
    void shouldWidenEveryHalfAndBfloatAlike() {
        for (DType dtype : new DType[] {DType.F16, DType.BF16}) {
            int all = 1 << 16;
            MemorySegment memory = data.memory(2L * all);
            for (int i = 0; i < all; i++) {
                memory.set(StoredValues.SHORT, 2L * i, (short) i);
            }
            var expected = new float[all];
            var actual = new float[all];
            scalar.widen(dtype, memory, expected, all);
            vector.widen(dtype, memory, actual, all);
            assertSameBits(actual, expected, dtype.name());
        }
    }

    @ParameterizedTest
    @EnumSource(DType.class)
    void shouldAgreeOnEmbedding(DType dtype) {
        for (int columns : columnsOf(dtype)) {
            Tensor table = data.tensor(dtype, 5, columns);
            Matrix expected = Matrix.of(3, columns);
            Matrix actual = Matrix.of(3, columns);
            scalar.embed(new int[] {4, 0, 2}, 3, table, expected);
            vector.embed(new int[] {4, 0, 2}, 3, table, actual);
            assertSameBits(actual.values(), expected.values(), dtype + " " + columns);
        }
    }

    @Test
    void shouldAgreeOnRowOperations() {
        for (int columns : AWKWARD_COLUMNS) {
            for (int rows : new int[] {1, 2, MOST_ROWS, 40}) {
                Matrix x = data.matrix(rows, columns);
                Matrix y = data.matrix(rows, columns);
                Tensor weight = data.tensor(DType.F32, columns);
                String what = columns + " columns, " + rows + " rows";
                assertAgree(x, "norm " + what, (kernels, m) -> kernels.rmsNorm(m, rows, weight, EPSILON, m));
                assertAgree(x, "add " + what, (kernels, m) -> kernels.add(m, y, rows));
                assertAgree(x, "scaled " + what, (kernels, m) -> kernels.addScaledRow(m, rows - 1, 0.37f, y, 0));
                assertAgree(x, "silu " + what, (kernels, m) -> kernels.siluMultiply(m, y, rows, columns));
                assertAgree(x, "softmax " + what, (kernels, m) -> kernels.softmax(m, rows, columns));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 6, 16, 34, 64, 128})
    void shouldAgreeOnHeads(int headDim) {
        Tensor weight = data.tensor(DType.BF16, headDim);
        int rows = 90;
        Matrix x = data.matrix(rows, 5 + 3 * headDim);
        var positions = new int[rows];
        for (int r = 0; r < rows; r++) {
            positions[r] = (r * 7) % 50;
        }
        RotaryTable table = RotaryTable.of(frequencies(headDim / 2), 50, 1.1);
        assertAgree(x, "head norm", (kernels, m) -> kernels.headNorm(m, rows, 5, 3, weight, EPSILON));
        assertAgree(x, "rotation", (kernels, m) -> kernels.rotate(m, rows, 5, 3, headDim, positions, table));
    }

    private static double[] frequencies(int pairs) {
        var frequencies = new double[pairs];
        for (int i = 0; i < pairs; i++) {
            frequencies[i] = Math.pow(10_000, -(double) i / pairs);
        }
        return frequencies;
    }

    @Test
    void shouldAgreeOnExtremeValues() {
        float[] extremes = {
            0f,
            -0f,
            1f,
            -1f,
            88.3f,
            88.38f,
            -87.3f,
            -87.4f,
            1e-40f,
            -1e-40f,
            Float.MIN_VALUE,
            Float.MAX_VALUE,
            -Float.MAX_VALUE,
            Float.POSITIVE_INFINITY,
            Float.NEGATIVE_INFINITY,
            Float.NaN,
            0.3465736f,
            -0.3465736f,
            120f
        };
        int columns = 4 * extremes.length;
        Matrix x = data.matrix(1, columns);
        Matrix ones = Matrix.of(1, columns);
        for (int i = 0; i < columns; i++) {
            x.values()[i] = extremes[i % extremes.length] * (i < 2 * extremes.length ? 1f : 0.5f);
            ones.values()[i] = 1f;
        }
        assertAgree(x, "silu", (kernels, m) -> kernels.siluMultiply(m, ones, 1, columns));
        assertAgree(x, "softmax", (kernels, m) -> kernels.softmax(m, 1, columns));
        Tensor weight = data.tensor(DType.BF16, 5, 64);
        for (int at = 0; at < extremes.length; at++) {
            Matrix row = data.matrix(2, 64);
            row.values()[at] = extremes[at];
            assertLinearAgrees(row, 1, weight);
            assertLinearAgrees(row, 2, weight);
            assertAgree(row, "norm", (kernels, m) -> kernels.rmsNorm(m, 2, onesTensor(64), EPSILON, m));
        }
    }

    private Tensor onesTensor(int count) {
        var ones = new float[count];
        Arrays.fill(ones, 1f);
        return new Tensor(DType.F32, List.of(count), MemorySegment.ofArray(ones));
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void shouldAgreeOnAttention(DType dtype) {
        for (int headDim : new int[] {2, 16, 34, 64, 128}) {
            for (int blockSize : new int[] {1, 5, 16, 64}) {
                assertAttentionAgrees(dtype, new AttentionShape(6, 2, headDim, 0.125f), blockSize);
            }
        }
        assertAttentionAgrees(dtype, new AttentionShape(4, 4, 64, 0.125f), 16);
        assertAttentionAgrees(dtype, new AttentionShape(40, 1, 16, 0.25f), 16);
    }

    private void assertAttentionAgrees(DType dtype, AttentionShape shape, int blockSize) {
        int tokens = 71;
        int blocks = (tokens + blockSize - 1) / blockSize;
        int[][] tables = {data.permutation(2 * blocks), data.permutation(2 * blocks)};
        int width = shape.kvHeads() * shape.headDim();
        KvPlaneView keys = plane(dtype, shape, blockSize, 2 * blocks);
        KvPlaneView values = plane(dtype, shape, blockSize, 2 * blocks);
        int all = 2 * blocks * blockSize;
        int[] slots = data.permutation(all);
        PlainOperations.storeKv(data.matrix(all, width), all, 0, keys, slots);
        PlainOperations.storeKv(data.matrix(all, width), all, 0, values, slots);
        int[] positions = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 33, 34, 35, 36, 37, 70, 12, 0};
        var rowTables = new int[positions.length][];
        for (int r = 0; r < positions.length; r++) {
            rowTables[r] = tables[r < 11 || r > 16 ? 0 : 1];
        }
        for (int from : new int[] {0, 16, 18}) {
            int count = positions.length - from;
            var rows = new AttentionRows(
                    count,
                    Arrays.copyOfRange(positions, from, positions.length),
                    Arrays.copyOfRange(rowTables, from, positions.length),
                    blockSize);
            Matrix q = data.matrix(count, 3 + shape.queryHeads() * shape.headDim());
            Matrix expected = Matrix.of(count, shape.queryHeads() * shape.headDim());
            Matrix actual = Matrix.of(count, shape.queryHeads() * shape.headDim());
            scalar.attention(q, 3, expected, keys, values, rows, shape);
            vector.attention(q, 3, actual, keys, values, rows, shape);
            assertSameBits(actual.values(), expected.values(), dtype + " " + shape + " blocks of " + blockSize);
        }
    }

    private KvPlaneView plane(DType dtype, AttentionShape shape, int blockSize, int blocks) {
        long bytes = dtype.bytes((long) shape.kvHeads() * shape.headDim()) * blockSize * blocks;
        return new KvPlaneView(dtype, shape.kvHeads(), shape.headDim(), blockSize, data.memory(bytes));
    }

    private interface Operation {
        void apply(Kernels kernels, Matrix matrix);
    }

    private void assertAgree(Matrix x, String what, Operation operation) {
        var expected = new Matrix(x.values().clone(), x.rows(), x.columns());
        var actual = new Matrix(x.values().clone(), x.rows(), x.columns());
        operation.apply(scalar, expected);
        operation.apply(vector, actual);
        assertSameBits(actual.values(), expected.values(), what);
    }

    /** Equal bits, any NaN equal to any other. */
    private static void assertSameBits(float[] actual, float[] expected, String what) {
        assertThat(bits(actual)).as(what).containsExactly(bits(expected));
    }

    private static int[] bits(float[] values) {
        var bits = new int[values.length];
        for (int i = 0; i < values.length; i++) {
            bits[i] = Float.floatToIntBits(values[i]);
        }
        return bits;
    }

    private static int[] columnsOf(DType dtype) {
        return dtype.blockValues() > 1 ? BLOCK_COLUMNS : AWKWARD_COLUMNS;
    }
}
