package dev.tandem.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
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
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.scalar.TestData;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Operations of a decode step allocate nothing once the compiler has seen them; before that, vectors are objects. */
class VectorAllocationTest {
    private static final int CALLS = 50;

    /**
     * How long the compiler may take. A number of rounds would not do: behind other tests of one JVM it first works off what they have left
     * in its queue, while rounds go on.
     */
    private static final long PATIENCE_NS = 60_000_000_000L;

    private final ThreadMXBean beans = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final KernelThreads threads = new KernelThreads(1);
    private final Kernels kernels = new VectorKernels(threads);
    private final TestData data = new TestData(3);

    @AfterEach
    void close() {
        threads.close();
    }

    @Test
    void shouldMultiplyOneRowWithoutAllocating() {
        Matrix x = data.matrix(1, 96);
        Matrix out = Matrix.of(1, 64);
        for (DType dtype : new DType[] {DType.BF16, DType.Q8_0, DType.Q4_1}) {
            Tensor weight = data.tensor(dtype, 64, 96);
            assertAllocatesNothing("linear " + dtype, () -> kernels.linear(x, 1, weight, out, 0));
        }
    }

    @Test
    void shouldMultiplyOneInt8RowWithoutAllocating() {
        Matrix x = data.matrix(1, 128);
        Matrix out = Matrix.of(1, 64);
        for (boolean isStatic : new boolean[] {false, true}) {
            Int8Weight weight = data.int8(isStatic, 64, 128);
            assertAllocatesNothing("static " + isStatic, () -> kernels.linear(x, 1, weight, out, 0));
        }
    }

    @Test
    void shouldMultiplyInt8RowsWithoutAllocating() {
        Matrix x = data.matrix(5, 96);
        Matrix out = Matrix.of(5, 64);
        Int8Weight weight = data.int8(false, 64, 96);
        assertAllocatesNothing("int8 rows", () -> kernels.linear(x, 5, weight, out, 0));
    }

    @Test
    void shouldDoRowOperationsWithoutAllocating() {
        Matrix x = data.matrix(1, 96);
        Matrix y = data.matrix(1, 96);
        Tensor weight = data.tensor(DType.F32, 96);
        assertAllocatesNothing("norm", () -> kernels.rmsNorm(x, 1, weight, 1e-5f, y));
        assertAllocatesNothing("silu", () -> kernels.siluMultiply(y, x, 1, 96));
        assertAllocatesNothing("add", () -> kernels.add(y, x, 1));
    }

    @Test
    void shouldDoRowOperationsOnSeveralThreadsWithoutAllocating() {
        Matrix x = data.matrix(70, 512);
        Matrix y = data.matrix(70, 512);
        Tensor weight = data.tensor(DType.F32, 512);
        try (var two = new KernelThreads(2)) {
            Kernels onTwo = new VectorKernels(two);
            assertAllocatesNothing("norm", () -> onTwo.rmsNorm(x, 70, weight, 1e-5f, y));
            assertAllocatesNothing("silu", () -> onTwo.siluMultiply(y, x, 70, 512));
            assertAllocatesNothing("add", () -> onTwo.add(y, x, 70));
            assertAllocatesNothing("softmax", () -> onTwo.softmax(y, 70, 512));
        }
    }

    @Test
    void shouldMultiplyAndAttendOnSeveralThreadsWithoutAllocating() {
        Matrix x = data.matrix(5, 512);
        Matrix out = Matrix.of(5, 512);
        Tensor weight = data.tensor(DType.Q4_1, 512, 512);
        Int8Weight int8 = data.int8(false, 512, 512);
        var shape = new AttentionShape(8, 4, 64, 0.2f);
        var cache = new KvPlaneView(DType.BF16, 4, 64, 16, data.memory(DType.BF16.bytes(4 * 64 * 16 * 4)));
        int[] table = {3, 1, 0, 2};
        var rows = new AttentionRows(
                5, new int[] {59, 60, 61, 62, 63}, new int[][] {table, table, table, table, table}, 16);
        try (var two = new KernelThreads(2)) {
            Kernels onTwo = new VectorKernels(two);
            assertAllocatesNothing("one row", () -> onTwo.linear(x, 1, weight, out, 0));
            assertAllocatesNothing("rows", () -> onTwo.linear(x, 5, weight, out, 0));
            assertAllocatesNothing("int8 rows", () -> onTwo.linear(x, 5, int8, out, 0));
            assertAllocatesNothing("attention", () -> onTwo.attention(x, 0, out, cache, cache, rows, shape));
        }
    }

    @Test
    void shouldMultiplyByWeightsOfOneLoopWithoutAllocating() {
        Matrix x = data.matrix(1, 96);
        Matrix out = Matrix.of(1, 64);
        var parts = List.of(
                new LinearPart(data.tensor(DType.Q8_0, 40, 96), out, 0),
                new LinearPart(data.tensor(DType.Q4_1, 24, 96), out, 40));
        assertAllocatesNothing("parts", () -> kernels.linear(x, 1, parts));
    }

    @Test
    void shouldAttendWithoutAllocating() {
        var shape = new AttentionShape(6, 2, 32, 0.2f);
        var cache = new KvPlaneView(DType.BF16, 2, 32, 16, data.memory(DType.BF16.bytes(2 * 32 * 16 * 4)));
        Matrix q = data.matrix(1, 6 * 32);
        Matrix out = Matrix.of(1, 6 * 32);
        var rows = new AttentionRows(1, new int[] {50}, new int[][] {{3, 1, 0, 2}}, 16);
        assertAllocatesNothing("attention", () -> kernels.attention(q, 0, out, cache, cache, rows, shape));
    }

    @Test
    void shouldAttendToLatentsWithoutAllocating() {
        var shape = new LatentShape(4, 64, 16, 0.2f);
        KvPlaneView latents = plane(64);
        KvPlaneView rotaryKeys = plane(16);
        Matrix q = data.matrix(1, 4 * 80);
        Matrix out = Matrix.of(1, 4 * 64);
        Matrix weights = data.matrix(1, 4);
        var rows = new AttentionRows(1, new int[] {50}, new int[][] {{3, 1, 0, 2}}, 16);
        var selected = new SelectedPositions(1, 20);
        assertAllocatesNothing(
                "latent attention", () -> kernels.latentAttention(q, out, latents, rotaryKeys, rows, shape));
        assertAllocatesNothing("selection", () -> kernels.selectPositions(q, weights, rotaryKeys, rows, selected));
        assertAllocatesNothing(
                "sparse attention",
                () -> kernels.sparseLatentAttention(q, out, latents, rotaryKeys, rows, shape, selected));
    }

    @Test
    void shouldMultiplyByHeadWithoutAllocating() {
        var weight = new HeadWeight(data.tensor(DType.BF16, 4 * 24, 32), 4, 8, 16);
        var inputs = new HeadColumns(0, 32);
        var outputs = new HeadColumns(0, 16);
        Matrix x = data.matrix(1, 4 * 32);
        Matrix y = data.matrix(1, 4 * 16);
        assertAllocatesNothing("product by head", () -> kernels.headLinear(x, inputs, 1, weight, y, outputs));
        assertAllocatesNothing("mix by head", () -> kernels.headMix(y, outputs, 1, weight, x, inputs));
    }

    private KvPlaneView plane(int headDim) {
        return new KvPlaneView(DType.BF16, 1, headDim, 16, data.memory(DType.BF16.bytes(headDim * 16 * 4)));
    }

    private void assertAllocatesNothing(String what, Runnable operation) {
        long allocated = Long.MAX_VALUE;
        long endNs = System.nanoTime() + PATIENCE_NS;
        while (allocated > 0 && System.nanoTime() - endNs < 0) {
            long before = beans.getCurrentThreadAllocatedBytes();
            for (int call = 0; call < CALLS; call++) {
                operation.run();
            }
            allocated = beans.getCurrentThreadAllocatedBytes() - before;
        }
        assertThat(allocated).as("bytes of %d calls of %s", CALLS, what).isZero();
    }
}
