package dev.tandem.bench;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.selection.KernelSelection;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Attention time of one decoded token in one layer at the shapes of DeepSeek-V3 and V3.2 (128 heads over latents of 512 and rotary keys of
 * 64; 64 index heads of 128 that choose 2,048 positions; bf16 cache in blocks of 128): dense latent attention beside the indexer's choice and
 * sparse attention. What does not depend on the context, projections, is left out. Medians of several runs after a warm-up.
 *
 * <p>Arguments, all optional: {@code threads=2 contexts=1024,4096,16384,32768 runs=5 heads=128}.
 */
public final class LatentBench {
    private static final int LATENT = 512;
    private static final int ROTARY = 64;
    private static final int INDEX_HEADS = 64;
    private static final int INDEX_DIM = 128;
    private static final int TOP_K = 2048;
    private static final int BLOCK_SIZE = 128;
    private static final float SCALE = 0.1f;
    private static final double WARM_UP_SECONDS = 2;

    private final PrintStream out;
    private final KernelSelection selection;
    private final SteadyMedian median;
    private final int heads;
    private final Random random = new Random(1);

    private LatentBench(PrintStream out, KernelSelection selection, SteadyMedian median, int heads) {
        this.out = out;
        this.selection = selection;
        this.median = median;
        this.heads = heads;
    }

    public static void main(String[] args) {
        var arguments = new BenchArguments(List.of(args));
        var selection = KernelSelection.named(arguments.text("kernels", "auto"));
        var median = new SteadyMedian(arguments.number("runs", 5), WARM_UP_SECONDS, System::nanoTime);
        var bench = new LatentBench(System.out, selection, median, arguments.number("heads", 128));
        for (int context : arguments.numbers("contexts", "1024,4096,16384,32768")) {
            bench.decode(context, arguments.number("threads", 2));
        }
    }

    private void decode(int context, int threadCount) {
        int blocks = Math.ceilDiv(context, BLOCK_SIZE);
        int[] blockTable = IntStream.range(0, blocks).toArray();
        var rows = new AttentionRows(1, new int[] {context - 1}, new int[][] {blockTable}, BLOCK_SIZE);
        var shape = new LatentShape(heads, LATENT, ROTARY, SCALE);
        var selected = new SelectedPositions(1, TOP_K);
        try (Arena arena = Arena.ofShared();
                var threads = new KernelThreads(threadCount)) {
            Kernels kernels = selection.kernels(threads);
            KvPlaneView latents = plane(arena, LATENT, blocks);
            KvPlaneView rotaryKeys = plane(arena, ROTARY, blocks);
            KvPlaneView indexKeys = plane(arena, INDEX_DIM, blocks);
            Matrix q = matrix(heads * shape.query());
            Matrix mixed = Matrix.of(1, heads * LATENT);
            Matrix indexQuery = matrix(INDEX_HEADS * INDEX_DIM);
            Matrix headWeights = matrix(INDEX_HEADS);
            double dense = milliseconds(() -> kernels.latentAttention(q, mixed, latents, rotaryKeys, rows, shape));
            double index =
                    milliseconds(() -> kernels.selectPositions(indexQuery, headWeights, indexKeys, rows, selected));
            double sparse = milliseconds(
                    () -> kernels.sparseLatentAttention(q, mixed, latents, rotaryKeys, rows, shape, selected));
            out.printf(
                    "%s context=%-6d heads=%d threads=%d  V3 %8.2f ms   V3.2 %8.2f ms = index %7.2f + attention %7.2f   ratio"
                            + " %.1f%n",
                    selection.name(),
                    context,
                    heads,
                    threadCount,
                    dense,
                    index + sparse,
                    index,
                    sparse,
                    dense / (index + sparse));
        }
    }

    private double milliseconds(Runnable work) {
        return median.seconds(work) * 1e3;
    }

    /** Moderate values of both signs. */
    private KvPlaneView plane(Arena arena, int headDim, int blocks) {
        MemorySegment memory = arena.allocate(DType.BF16.bytes((long) headDim * BLOCK_SIZE * blocks), 64);
        for (long at = 0; at < memory.byteSize(); at += 2) {
            int bits = 0x3C00 + random.nextInt(0x400) | (random.nextBoolean() ? 0x8000 : 0);
            memory.set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) bits);
        }
        return new KvPlaneView(DType.BF16, 1, headDim, BLOCK_SIZE, memory);
    }

    private Matrix matrix(int columns) {
        Matrix matrix = Matrix.of(1, columns);
        for (int i = 0; i < columns; i++) {
            matrix.values()[i] = (float) random.nextGaussian();
        }
        return matrix;
    }
}
