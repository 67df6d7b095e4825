package dev.tandem.model;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.DecoderLayer;
import dev.tandem.layer.ExpertChoice;
import dev.tandem.layer.RankContext;
import dev.tandem.layer.StepRows;
import dev.tandem.model.TokenBatch.Chunk;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What all decoder families share: embedding, layers, final norm, head, and the passes in which a batch goes through them. A batch of
 * more rows than the scratch holds goes in several passes; as every row's result depends on its own sequence only, nobody can tell.
 * Owned by the rank worker.
 */
final class Decoder implements Model {
    private final RankContext context;
    private final ModelConfig config;
    private final StepLimits limits;
    private final DecoderStack stack;
    private final DecoderScratch scratch;
    private final StepRows rows;
    private final int[] askedRows; // [maxRows] rows of the running pass that need logits
    private @Nullable KvPool checkedPool; // the pool whose layout was last found to fit

    Decoder(RankContext context, ModelConfig config, StepLimits limits, DecoderStack stack) {
        this.context = context;
        this.config = config;
        this.limits = limits;
        this.stack = stack;
        this.scratch = DecoderScratch.of(context.rank(), limits, config.hiddenSize(), config.vocabularySize());
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
            stack.finalNorm().forward(scratch.asked(), logitRows, scratch.asked());
            stack.head().forwardWhole(scratch.asked(), logitRows, scratch.logits());
        }
        return scratch.logits().whole();
    }

    /** The residual stream of the running or last pass, for tests that look for the first layer that differs: [maxRows, hidden]. */
    Matrix residual() {
        return scratch.residual();
    }

    /** Rows of the last batch that asked for logits, after the final norm, for the same tests: [maxLogitRows, hidden]. */
    Matrix finalNormed() {
        return scratch.asked();
    }

    /** Positions that the rows of the last attention read, where an indexer chose them, for the same tests. */
    Optional<SelectedPositions> selected() {
        return stack.choices().positions();
    }

    /** Experts that the rows of the last mixture chose, for the same tests. */
    Optional<ExpertChoice> chosenExperts() {
        return stack.choices().experts();
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
        Matrix residual = scratch.residual();
        stack.embedding().forward(rows, residual);
        for (int i = 0; i < stack.layers().size(); i++) {
            DecoderLayer layer = stack.layers().get(i);
            layer.store(residual, rows, scratch.normed());
            afterLayer.accept(i);
            layer.finish(residual, rows, scratch.normed(), scratch.added());
        }
    }

    private void keepAsked(int count, int firstTo) {
        Matrix from = scratch.residual();
        Matrix to = scratch.asked();
        for (int i = 0; i < count; i++) {
            System.arraycopy(
                    from.values(), from.offset(askedRows[i]), to.values(), to.offset(firstTo + i), from.columns());
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
