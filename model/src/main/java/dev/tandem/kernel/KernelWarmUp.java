package dev.tandem.kernel;

import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPlaneView;
import java.lang.foreign.Arena;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs every kernel until the compiler is through with it, so that a node that calls itself healthy is not slow for its first requests:
 * vector code is a hundred times slower before C2 has compiled it. The rank worker calls {@link #run} once with its own kernel threads,
 * before it takes a batch; it works on zeros of its own and leaves nothing behind but compiled code.
 */
public final class KernelWarmUp {
    private static final int MOST_COLUMNS = 512;
    private static final int OUTPUTS = 64;
    private static final int ROWS = 9;
    private static final int TOKENS = 80;
    private static final int BLOCK_SIZE = 16;
    private static final float EPSILON = 1e-5f;

    /** Rounds in which none was clearly faster than the best before them: then the compiler has finished. */
    private static final int STEADY_ROUNDS = 40;

    private static final double CLEARLY = 0.85;

    private final Kernels kernels;
    private final KernelThreads threads;
    private final Shapes shapes;
    private final int columns;
    private final List<Tensor> weights = new ArrayList<>();
    private final Tensor norm;
    private final Tensor headNorm;
    private final Matrix x;
    private final Matrix y;
    private final Matrix wide;
    private final Matrix query;
    private final Matrix mixed;
    private final KvPlaneView cache;
    private final RotaryTable rotary;
    private final int[] ids = new int[ROWS];
    private final int[] positions = new int[ROWS];
    private final int[] lastPosition = {TOKENS - 1};
    private final int[][] blockTables = new int[ROWS][];

    /**
     * What a model will ask for.
     *
     * @param weightTypes stored types of its matrices and of its embedding
     * @param normType stored type of its norm weights
     * @param cacheType stored type of its keys and values
     * @param attention its heads
     * @param hidden values of a row of activations
     */
    public record Shapes(
            List<DType> weightTypes, DType normType, DType cacheType, AttentionShape attention, int hidden) {}

    /**
     * What the warm-up did.
     *
     * @param rounds how often it ran every kernel
     * @param isSettled false when the time ran out while rounds were still getting faster
     */
    public record Report(int rounds, boolean isSettled, Duration took) {}

    private KernelWarmUp(Kernels kernels, KernelThreads threads, Shapes shapes, Arena arena) {
        this.kernels = kernels;
        this.threads = threads;
        this.shapes = shapes;
        AttentionShape heads = shapes.attention();
        this.columns = Math.max(32, Math.min(shapes.hidden(), MOST_COLUMNS) / 32 * 32);
        for (DType dtype : shapes.weightTypes()) {
            weights.add(zeros(arena, dtype, OUTPUTS, columns));
        }
        this.norm = zeros(arena, shapes.normType(), columns);
        this.headNorm = zeros(arena, shapes.normType(), heads.headDim());
        this.x = Matrix.of(ROWS, columns);
        this.y = Matrix.of(ROWS, columns);
        this.wide = Matrix.of(ROWS, OUTPUTS);
        this.query = Matrix.of(ROWS, heads.queryHeads() * heads.headDim());
        this.mixed = Matrix.of(ROWS, heads.queryHeads() * heads.headDim());
        this.cache = cache(arena, shapes);
        this.rotary = RotaryTable.of(new double[heads.headDim() / 2], TOKENS, 1);
        var table = new int[TOKENS / BLOCK_SIZE];
        for (int block = 0; block < table.length; block++) {
            table[block] = block;
        }
        for (int r = 0; r < ROWS; r++) {
            positions[r] = TOKENS - ROWS + r;
            blockTables[r] = table;
        }
    }

    /**
     * Runs all kernels again and again until they have stopped getting faster, {@code most} at the longest.
     *
     * @param threads the kernel threads of the calling rank worker
     */
    public static Report run(Kernels kernels, KernelThreads threads, Shapes shapes, Duration most) {
        long beganNs = System.nanoTime();
        long endNs = beganNs + most.toNanos();
        long bestNs = Long.MAX_VALUE;
        int rounds = 0;
        int steady = 0;
        try (Arena arena = Arena.ofShared()) {
            var warmUp = new KernelWarmUp(kernels, threads, shapes, arena);
            while (steady < STEADY_ROUNDS && System.nanoTime() < endNs) {
                long startNs = System.nanoTime();
                warmUp.round();
                long tookNs = System.nanoTime() - startNs;
                steady = tookNs < CLEARLY * bestNs ? 0 : steady + 1;
                bestNs = Math.min(bestNs, tookNs);
                rounds++;
            }
        }
        return new Report(rounds, steady >= STEADY_ROUNDS, Duration.ofNanos(System.nanoTime() - beganNs));
    }

    private void round() {
        for (Tensor weight : weights) {
            kernels.embed(ids, ROWS, weight, x);
            kernels.linear(x, 1, weight, wide, 0, threads);
            kernels.linear(x, ROWS, weight, wide, 0, threads);
            kernels.linearRows(x, ids, weight, wide, ids, 1, threads);
        }
        kernels.rmsNorm(x, ROWS, norm, EPSILON, y, threads);
        kernels.add(x, y, ROWS, threads);
        kernels.addScaledRow(x, 0, 1f, y, 1);
        kernels.siluMultiply(x, y, ROWS, columns, threads);
        kernels.softmax(y, ROWS, columns, threads);
        AttentionShape heads = shapes.attention();
        kernels.headNorm(query, ROWS, 0, heads.queryHeads(), headNorm, EPSILON, threads);
        kernels.rotate(query, ROWS, 0, heads.queryHeads(), heads.headDim(), positions, rotary, threads);
        kernels.storeKv(query, ROWS, 0, cache, positions, threads);
        var batch = new AttentionRows(ROWS, positions, blockTables, BLOCK_SIZE);
        kernels.attention(query, 0, mixed, cache, cache, batch, heads, threads);
        var one = new AttentionRows(1, lastPosition, blockTables, BLOCK_SIZE);
        kernels.attention(query, 0, mixed, cache, cache, one, heads, threads);
    }

    private static Tensor zeros(Arena arena, DType dtype, Integer... shape) {
        long values = 1;
        for (int extent : shape) {
            values *= extent;
        }
        return new Tensor(dtype, List.of(shape), arena.allocate(dtype.bytes(values), Long.BYTES));
    }

    private static KvPlaneView cache(Arena arena, Shapes shapes) {
        AttentionShape heads = shapes.attention();
        var plane = new KvPlane("warm-up", shapes.cacheType(), heads.kvHeads(), heads.headDim(), 0, heads.kvHeads());
        return new KvPlaneView(plane, BLOCK_SIZE, arena.allocate(plane.tokenBytes() * TOKENS, Long.BYTES));
    }
}
