package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.StepRows;
import dev.tandem.layer.Workspace;
import dev.tandem.model.TokenBatch.Chunk;
import dev.tandem.parallel.GatherBuffer;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Leads batches through a family's graph, pass by pass. A batch of more rows than the workspace holds takes several passes; since a row's result
 * depends on its own sequence only, results are the same. Owned by the rank worker.
 */
final class Decoder implements Model {
    private final RankContext context;
    private final ModelConfig config;
    private final StepLimits limits;
    private final DecoderGraph graph;
    private final Matrix residual; // [maxRows, hidden] the residual stream
    private final Matrix logitInput; // [maxLogitRows, hidden] rows of the residual stream that need logits
    private final GatherBuffer logits; // [maxLogitRows, vocabulary]
    private final StepRows rows; // of the running pass
    private final int[] rowsForLogits; // [maxRows] rows of the running pass that need logits
    private @Nullable KvPool checkedPool; // the pool whose layout was last found to fit

    Decoder(RankContext context, ModelConfig config, StepLimits limits, DecoderGraph graph, Workspace workspace) {
        this.context = context;
        this.config = config;
        this.limits = limits;
        this.graph = graph;
        this.residual = workspace.matrix("residual", config.hiddenSize());
        this.logitInput = Matrix.of(limits.maxLogitRows(), config.hiddenSize());
        this.logits = GatherBuffer.of(context.rank(), limits.maxLogitRows(), config.vocabularySize());
        this.rows = new StepRows(limits.maxRows());
        this.rowsForLogits = new int[limits.maxRows()];
    }

    @Override
    public ModelConfig config() {
        return config;
    }

    @Override
    public KvLayout kvLayout(int blockSize, DType kvDtype) {
        return KvLayouts.of(config, context.rank(), blockSize, kvDtype);
    }

    @Override
    public Matrix forward(TokenBatch batch, KvPool pool, IntConsumer afterLayer, Runnable check) {
        requireLayout(pool);
        BatchCheck.require(batch, pool, limits, config.vocabularySize());
        if (!isAlone()) {
            return compute(batch, pool, afterLayer, check);
        }
        context.kernels().checkWith(check);
        try {
            return compute(batch, pool, afterLayer, check);
        } finally {
            context.kernels().checkWith(() -> {});
        }
    }

    /** Ranks that exchange something within a layer can give up together only between layers. */
    private boolean isAlone() {
        return context.rank().tpSize() == 1 && context.experts().isEmpty();
    }

    private Matrix compute(TokenBatch batch, KvPool pool, IntConsumer afterLayer, Runnable check) {
        int logitRows = passes(batch, pool, afterLayer, check);
        if (logitRows > 0) {
            graph.logits(logitInput, logitRows, logits);
        }
        return logits.whole();
    }

    /** The residual stream of the running or last pass, for tests that look for the first layer that differs: [maxRows, hidden]. */
    Matrix residual() {
        return residual;
    }

    /** The rows of the last batch for which logits were asked, after the final norm, for the same tests: [maxLogitRows, hidden]. */
    Matrix finalNormed() {
        return logitInput;
    }

    /** The family's graph, for the same tests. */
    DecoderGraph graph() {
        return graph;
    }

    /** Frees nothing: scratch memory is on the heap. */
    @Override
    public void close() {}

    /** Cuts the batch into passes and keeps the rows that need logits; returns how many those are. */
    private int passes(TokenBatch batch, KvPool pool, IntConsumer afterLayer, Runnable check) {
        List<Chunk> chunks = batch.chunks();
        int logitRows = 0;
        int keptInPass = 0;
        int batchRow = 0;
        rows.begin(pool);
        for (int i = 0; i < chunks.size(); i++) {
            Chunk chunk = chunks.get(i);
            int firstForLogits = chunk.rows() - chunk.logitRows();
            for (int done = 0; done < chunk.rows(); ) {
                int taken = Math.min(chunk.rows() - done, rows.room());
                for (int row = Math.max(done, firstForLogits); row < done + taken; row++) {
                    rowsForLogits[keptInPass++] = rows.count() + row - done;
                }
                rows.add(batch.tokenIds(), batchRow, taken, chunk.firstPosition() + done, chunk.blockIds());
                done += taken;
                batchRow += taken;
                boolean isLast = batchRow == batch.rows();
                if (isLast || rows.room() == 0) {
                    pass(isLast ? afterLayer : layer -> {}, check);
                    keepForLogits(keptInPass, logitRows);
                    logitRows += keptInPass;
                    keptInPass = 0;
                    rows.begin(pool);
                }
            }
        }
        return logitRows;
    }

    private void pass(IntConsumer afterLayer, Runnable check) {
        rows.seal();
        graph.embed(rows, residual);
        List<? extends DecoderGraph.Layer> layers = graph.layers();
        for (int i = 0; i < layers.size(); i++) {
            layers.get(i).store(residual, rows);
            check.run();
            afterLayer.accept(i);
            layers.get(i).finish(residual, rows);
        }
    }

    /** Copies rows of the residual stream, which the next pass overwrites. */
    private void keepForLogits(int count, int firstTo) {
        for (int i = 0; i < count; i++) {
            System.arraycopy(
                    residual.values(),
                    residual.offset(rowsForLogits[i]),
                    logitInput.values(),
                    logitInput.offset(firstTo + i),
                    residual.columns());
        }
    }

    private void requireLayout(KvPool pool) {
        if (pool == checkedPool) {
            return;
        }
        KvLayout found = pool.layout();
        KvLayout expected =
                kvLayout(found.blockSize(), found.planes().getFirst().dtype());
        if (!found.equals(expected)) {
            throw new IllegalArgumentException(
                    "a pool of layout " + found + " does not fit the model, which caches " + expected);
        }
        checkedPool = pool;
    }
}
