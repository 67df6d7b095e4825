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
 * Leads batches through a family's graph, pass by pass. A batch of more rows than the workspace holds takes several passes; as every row's
 * result depends on its own sequence only, its result is the same. Owned by the rank worker.
 */
final class Decoder implements Model {
    private final RankContext context;
    private final ModelConfig config;
    private final StepLimits limits;
    private final DecoderGraph graph;
    private final Matrix residual; // [maxRows, hidden] the residual stream
    private final Matrix asked; // [maxLogitRows, hidden] rows of the residual stream that need logits
    private final GatherBuffer logits; // [maxLogitRows, vocabulary]
    private final StepRows rows;
    private final int[] askedRows; // [maxRows] rows of the running pass that need logits
    private @Nullable KvPool checkedPool; // the pool whose layout was last found to fit

    Decoder(RankContext context, ModelConfig config, StepLimits limits, DecoderGraph graph, Workspace workspace) {
        this.context = context;
        this.config = config;
        this.limits = limits;
        this.graph = graph;
        this.residual = workspace.matrix("residual", config.hiddenSize());
        this.asked = Matrix.of(limits.maxLogitRows(), config.hiddenSize());
        this.logits = GatherBuffer.of(context.rank(), limits.maxLogitRows(), config.vocabularySize());
        this.rows = new StepRows(limits.maxRows());
        this.askedRows = new int[limits.maxRows()];
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
    public Matrix forward(TokenBatch batch, KvPool pool, IntConsumer afterLayer) {
        requireLayout(pool);
        BatchCheck.require(batch, pool, limits, config.vocabularySize());
        int logitRows = passes(batch, pool, afterLayer);
        if (logitRows > 0) {
            graph.logits(asked, logitRows, logits);
        }
        return logits.whole();
    }

    /** The residual stream of the running or last pass, for tests that look for the first layer that differs: [maxRows, hidden]. */
    Matrix residual() {
        return residual;
    }

    /** Rows of the last batch that asked for logits, after the final norm, for the same tests: [maxLogitRows, hidden]. */
    Matrix finalNormed() {
        return asked;
    }

    /** The family's graph, for the same tests. */
    DecoderGraph graph() {
        return graph;
    }

    @Override
    public void close() {}

    /** Cuts the batch into passes and keeps the rows that need logits; returns how many those are. */
    private int passes(TokenBatch batch, KvPool pool, IntConsumer afterLayer) {
        List<Chunk> chunks = batch.chunks();
        int logitRows = 0;
        int askedInPass = 0;
        int batchRow = 0;
        rows.begin(pool);
        for (int i = 0; i < chunks.size(); i++) {
            Chunk chunk = chunks.get(i);
            int firstAsked = chunk.rows() - chunk.logitRows();
            for (int done = 0; done < chunk.rows(); ) {
                int taken = Math.min(chunk.rows() - done, rows.room());
                for (int row = Math.max(done, firstAsked); row < done + taken; row++) {
                    askedRows[askedInPass++] = rows.count() + row - done;
                }
                rows.add(batch.tokenIds(), batchRow, taken, chunk.firstPosition() + done, chunk.blockIds());
                done += taken;
                batchRow += taken;
                boolean isLast = batchRow == batch.rows();
                if (isLast || rows.room() == 0) {
                    pass(isLast ? afterLayer : layer -> {});
                    keepAsked(askedInPass, logitRows);
                    logitRows += askedInPass;
                    askedInPass = 0;
                    rows.begin(pool);
                }
            }
        }
        return logitRows;
    }

    private void pass(IntConsumer afterLayer) {
        rows.seal();
        graph.embed(rows, residual);
        List<? extends DecoderGraph.Layer> layers = graph.layers();
        for (int i = 0; i < layers.size(); i++) {
            layers.get(i).store(residual, rows);
            afterLayer.accept(i);
            layers.get(i).finish(residual, rows);
        }
    }

    private void keepAsked(int count, int firstTo) {
        for (int i = 0; i < count; i++) {
            System.arraycopy(
                    residual.values(),
                    residual.offset(askedRows[i]),
                    asked.values(),
                    asked.offset(firstTo + i),
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
