package dev.tandem.bench;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Int8Weight;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LinearWeight;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.Tensor;
import dev.tandem.kernel.selection.KernelSelection;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.LongSupplier;

/**
 * Speed of the kernels at the shapes of SmolLM2-135M (30 layers, hidden 576, intermediate 1536, 9 query and 3 KV heads of 64, vocabulary
 * 49152): all matrix products of one step over weights that do not fit the cache, and attention. Prints one line a case with the
 * median of several runs after a warm-up; {@code tok/s} counts only what the line measures.
 *
 * <p>Arguments, all optional: {@code threads=1,2 types=Q4_1,Q8_0 kernels=auto runs=7 rows=1,8,512
 * attention=true clock=wall}. With {@code clock=cpu} and one thread the time is the thread's own, which a busy machine disturbs less.
 */
public final class KernelBench {
    private static final int LAYERS = 30;
    private static final int HIDDEN = 576;
    private static final int INTERMEDIATE = 1536;
    private static final int VOCABULARY = 49152;
    private static final int KV_WIDTH = 192;
    private static final int BLOCK_SIZE = 16;
    private static final AttentionShape HEADS = new AttentionShape(9, 3, 64, 0.125f);
    private static final int MOST_HEAD_ROWS = 32;
    private static final double WARM_UP_SECONDS = 1;

    private final PrintStream out;
    private final KernelSelection selection;
    private final SteadyMedian median;
    private final Random random = new Random(1);

    private KernelBench(PrintStream out, KernelSelection selection, SteadyMedian median) {
        this.out = out;
        this.selection = selection;
        this.median = median;
    }

    public static void main(String[] args) {
        var arguments = new BenchArguments(List.of(args));
        LongSupplier clockNs = arguments.text("clock", "wall").equals("cpu")
                ? ManagementFactory.getThreadMXBean()::getCurrentThreadCpuTime
                : System::nanoTime;
        var bench = new KernelBench(
                System.out,
                KernelSelection.named(arguments.text("kernels", "auto")),
                new SteadyMedian(arguments.number("runs", 7), WARM_UP_SECONDS, clockNs));
        int[] threadCounts = arguments.numbers("threads", "1,2");
        for (String type : arguments.list("types", "F32,F16,BF16,I8,Q8_0,Q4_0,Q4_1")) {
            bench.linear(DType.valueOf(type), arguments.numbers("rows", "1,8,512"), threadCounts);
        }
        if (Boolean.parseBoolean(arguments.text("attention", "true"))) {
            bench.attention(threadCounts);
        }
    }

    /** All matrix products of one step; the output layer only up to the rows that a decode batch has. */
    private void linear(DType dtype, int[] rowCounts, int[] threadCounts) {
        try (Arena arena = Arena.ofShared()) {
            var weights = new ArrayList<LinearWeight>();
            for (int layer = 0; layer < LAYERS; layer++) {
                weights.add(weight(arena, dtype, HIDDEN, HIDDEN));
                weights.add(weight(arena, dtype, KV_WIDTH, HIDDEN));
                weights.add(weight(arena, dtype, KV_WIDTH, HIDDEN));
                weights.add(weight(arena, dtype, HIDDEN, HIDDEN));
                weights.add(weight(arena, dtype, INTERMEDIATE, HIDDEN));
                weights.add(weight(arena, dtype, INTERMEDIATE, HIDDEN));
                weights.add(weight(arena, dtype, HIDDEN, INTERMEDIATE));
            }
            LinearWeight head = weight(arena, dtype, VOCABULARY, HIDDEN);
            for (int rows : rowCounts) {
                for (int count : threadCounts) {
                    linear(dtype, weights, head, rows, count);
                }
            }
        }
    }

    private void linear(DType dtype, List<LinearWeight> weights, LinearWeight head, int rows, int threadCount) {
        Matrix narrow = matrix(rows, HIDDEN);
        Matrix wide = matrix(rows, INTERMEDIATE);
        Matrix result = Matrix.of(rows, INTERMEDIATE);
        boolean withHead = rows <= MOST_HEAD_ROWS;
        Matrix logits = Matrix.of(withHead ? rows : 1, VOCABULARY);
        long bytes = withHead ? bytes(head) : 0;
        double products = withHead ? (double) VOCABULARY * HIDDEN : 0;
        for (LinearWeight weight : weights) {
            bytes += bytes(weight);
            products += (double) weight.rows() * weight.columns();
        }
        double seconds;
        try (var threads = new KernelThreads(threadCount)) {
            Kernels kernels = selection.kernels(threads);
            seconds = median.seconds(() -> {
                for (LinearWeight weight : weights) {
                    Matrix x = weight.columns() == HIDDEN ? narrow : wide;
                    kernels.linear(x, rows, weight, result, 0);
                }
                if (withHead) {
                    kernels.linear(narrow, rows, head, logits, 0);
                }
            });
        }
        out.printf(
                "%s linear %-4s rows=%-3d threads=%d  %8.2f ms  %7.1f tok/s  %6.1f GB/s  %6.1f Gflop/s%n",
                selection.name(),
                dtype,
                rows,
                threadCount,
                seconds * 1e3,
                rows / seconds,
                bytes / seconds / 1e9,
                2 * products * rows / seconds / 1e9);
    }

    private void attention(int[] threadCounts) {
        for (int count : threadCounts) {
            attention("prefill", 512, 1, 512, count);
            attention("prefill", 512, 1, 2048, count);
            attention("decode", 1, 1, 512, count);
            attention("decode", 1, 8, 512, count);
        }
    }

    /** Thirty layers of attention: the last {@code rowsEach} positions of {@code sequences} sequences that are {@code length} long. */
    private void attention(String what, int rowsEach, int sequences, int length, int threadCount) {
        int blocks = (length + BLOCK_SIZE - 1) / BLOCK_SIZE;
        int rows = rowsEach * sequences;
        var positions = new int[rows];
        var tables = new int[rows][];
        for (int sequence = 0; sequence < sequences; sequence++) {
            var table = new int[blocks];
            Arrays.setAll(table, i -> i);
            for (int i = 0; i < blocks; i++) {
                table[i] += sequence * blocks;
            }
            for (int r = 0; r < rowsEach; r++) {
                positions[sequence * rowsEach + r] = length - rowsEach + r;
                tables[sequence * rowsEach + r] = table;
            }
        }
        double seconds;
        try (Arena arena = Arena.ofShared();
                var threads = new KernelThreads(threadCount)) {
            Kernels kernels = selection.kernels(threads);
            KvPlaneView keys = plane(arena, sequences * blocks);
            KvPlaneView values = plane(arena, sequences * blocks);
            Matrix q = matrix(rows, HIDDEN);
            Matrix mixed = Matrix.of(rows, HIDDEN);
            var batch = new AttentionRows(rows, positions, tables, BLOCK_SIZE);
            seconds = median.seconds(() -> {
                for (int layer = 0; layer < LAYERS; layer++) {
                    kernels.attention(q, 0, mixed, keys, values, batch, HEADS);
                }
            });
        }
        double pairs = 0;
        for (int position : positions) {
            pairs += position + 1;
        }
        double flops = 4 * pairs * HIDDEN * LAYERS;
        out.printf(
                "%s attention %-7s rows=%-3d context=%-4d threads=%d  %8.2f ms  %7.1f tok/s  %6.1f Gflop/s%n",
                selection.name(),
                what,
                rows,
                length,
                threadCount,
                seconds * 1e3,
                rows / seconds,
                flops / seconds / 1e9);
    }

    private KvPlaneView plane(Arena arena, int blocks) {
        long bytes = DType.BF16.bytes((long) HEADS.kvHeads() * HEADS.headDim()) * BLOCK_SIZE * blocks;
        MemorySegment memory = arena.allocate(bytes, 64);
        for (long at = 0; at < memory.byteSize(); at += 2) {
            memory.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) (0x3C00 + random.nextInt(0x400)));
        }
        return new KvPlaneView(DType.BF16, HEADS.kvHeads(), HEADS.headDim(), BLOCK_SIZE, memory);
    }

    private static long bytes(LinearWeight weight) {
        return switch (weight) {
            case Tensor stored -> stored.data().byteSize();
            case Int8Weight int8 ->
                int8.values().data().byteSize() + int8.outputScales().data().byteSize();
        };
    }

    /** A weight of a stored type; int8 has its scales beside it, and activations get theirs row by row. */
    private LinearWeight weight(Arena arena, DType dtype, int rows, int columns) {
        Tensor values = stored(arena, dtype, rows, columns);
        return dtype == DType.I8 ? new Int8Weight(values, stored(arena, DType.F32, rows, 1), Optional.empty()) : values;
    }

    /** Bytes that give moderate finite values in every stored type. */
    private Tensor stored(Arena arena, DType dtype, int rows, int columns) {
        MemorySegment memory = arena.allocate(dtype.bytes((long) rows * columns), 64);
        for (long at = 0; at + 4 <= memory.byteSize(); at += 4) {
            memory.set(ValueLayout.JAVA_INT_UNALIGNED, at, random.nextInt() & 0xBBFF_BBFF);
        }
        return new Tensor(dtype, List.of(rows, columns), memory);
    }

    private Matrix matrix(int rows, int columns) {
        Matrix matrix = Matrix.of(rows, columns);
        for (int i = 0; i < matrix.values().length; i++) {
            matrix.values()[i] = (float) random.nextGaussian();
        }
        return matrix;
    }
}
