package dev.tandem.model;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.TokenBatch.Chunk;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A model on a single rank with a pool, and what an engine does with them: prompts in chunks, then one token per step. */
final class TestRank implements AutoCloseable {
    static final Path ROOT = Path.of(System.getProperty("tandem.root"));
    static final Path GOLDEN = ROOT.resolve("fixtures/golden");
    private static final int BLOCKS = 2048;
    private static final int MAX_ROWS = 320;

    /** How a test wants its rank to be; {@link #plain} gives the usual values. */
    record Setup(int blockSize, DType kvDtype, KernelSelection selection, int maxRows, int threads) {
        static Setup plain(KernelSelection selection) {
            return new Setup(16, DType.F32, selection, MAX_ROWS, 1);
        }

        Setup withBlockSize(int size) {
            return new Setup(size, kvDtype, selection, maxRows, threads);
        }

        Setup withKvDtype(DType dtype) {
            return new Setup(blockSize, dtype, selection, maxRows, threads);
        }

        Setup withMaxRows(int rows) {
            return new Setup(blockSize, kvDtype, selection, rows, threads);
        }

        Setup withThreads(int count) {
            return new Setup(blockSize, kvDtype, selection, maxRows, count);
        }
    }

    final Model model;
    final KvPool pool;
    private final Checkpoint checkpoint;
    private final KernelThreads threads;
    private int freeBlocks;

    TestRank(Path checkpointPath, Setup setup) {
        checkpoint = Checkpoint.open(checkpointPath);
        threads = new KernelThreads(setup.threads());
        var context = RankContext.single(setup.selection().kernels(threads));
        model = ModelLoader.load(checkpoint, context, new StepLimits(setup.maxRows(), MAX_ROWS, 512));
        pool = new KvPool(model.kvLayout(setup.blockSize(), setup.kvDtype()), BLOCKS * 16 / setup.blockSize());
        freeBlocks = pool.blockCount();
    }

    /** Blocks for a new sequence, handed out from the end and in descending order, so that no test relies on their order. */
    int[] takeBlocks(int tokens) {
        var blockIds = new int[pool.layout().blocksFor(tokens)];
        for (int i = 0; i < blockIds.length; i++) {
            blockIds[i] = --freeBlocks;
        }
        return blockIds;
    }

    /** Runs a prompt in chunks of at most {@code chunkRows}; returns the logits after its last token. */
    float[] prefill(int[] prompt, int[] blockIds, int chunkRows) {
        float[] last = {};
        for (int done = 0; done < prompt.length; done += chunkRows) {
            int rows = Math.min(chunkRows, prompt.length - done);
            boolean isLast = done + rows == prompt.length;
            Matrix logits = forward(
                    Arrays.copyOfRange(prompt, done, done + rows),
                    List.of(new Chunk(rows, done, blockIds, isLast ? 1 : 0)));
            last = row(logits, 0);
        }
        return last;
    }

    /** Logits of one token at a position. */
    float[] decode(int token, int position, int[] blockIds) {
        return row(forward(new int[] {token}, List.of(new Chunk(1, position, blockIds, 1))), 0);
    }

    Matrix forward(int[] tokenIds, List<Chunk> chunks) {
        return model.forward(new TokenBatch(tokenIds, chunks), pool, layer -> {}, () -> {});
    }

    /** Logits of every greedy step: those after the prompt first. */
    List<float[]> greedy(int[] prompt, int steps, int chunkRows) {
        int[] blockIds = takeBlocks(prompt.length + steps);
        var logits = new ArrayList<float[]>();
        logits.add(prefill(prompt, blockIds, chunkRows));
        for (int step = 1; step < steps; step++) {
            logits.add(decode(best(logits.getLast()), prompt.length + step - 1, blockIds));
        }
        return logits;
    }

    static float[] row(Matrix matrix, int row) {
        return Arrays.copyOfRange(matrix.values(), matrix.offset(row), matrix.offset(row) + matrix.columns());
    }

    /** The largest value's index; the lowest of equals. */
    static int best(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }

    static int[] bestOfEach(List<float[]> logits) {
        return logits.stream().mapToInt(TestRank::best).toArray();
    }

    Decoder decoder() {
        return (Decoder) model;
    }

    @Override
    public void close() {
        model.close();
        pool.close();
        threads.close();
        checkpoint.close();
    }
}
