package dev.tandem.kernel.vector;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.scalar.KvAddress;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The choice of positions by index scores, as two loops for {@link KernelThreads}: score some rows, then choose for them. A command object
 * that is filled before each run and used again. A claim of the first loop is one row with a range of positions, so that one row of a
 * long context occupies all threads; of the second it is one row.
 */
final class IndexTask implements KernelThreads.Slice {
    /** Positions of a claim; a multiple of the chunk. */
    private static final int RANGE = 512;

    /** Keys that are widened at a time; a multiple of the tile. */
    private static final int CHUNK_TOKENS = 32;

    /** Rows that are scored before a choice is made, at least: it bounds the memory of the scores. */
    private static final int GROUP_ROWS = 8;

    private final VectorWorkspace workspace;
    private final AtomicInteger nextClaim = new AtomicInteger();

    private Matrix q;
    private Matrix weights;
    private KvPlaneView keys;
    private AttentionRows rows;
    private SelectedPositions selected;
    private int fromRow;
    private int toRow;
    private boolean isScoring;
    private int stride; // scores of a row, whole ranges
    private float[] scores = {}; // [rows of a group, stride]

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    IndexTask(VectorWorkspace workspace) {
        this.workspace = workspace;
    }

    /** As {@link Kernels#selectPositions}. */
    void run(Matrix q, Matrix weights, KvPlaneView keys, AttentionRows rows, SelectedPositions selected) {
        this.q = q;
        this.weights = weights;
        this.keys = keys;
        this.rows = rows;
        this.selected = selected;
        int groupRows = Math.max(GROUP_ROWS, 2 * workspace.count());
        for (fromRow = 0; fromRow < rows.count(); fromRow = toRow) {
            toRow = Math.min(rows.count(), fromRow + groupRows);
            runGroup();
        }
    }

    private void runGroup() {
        int longest = 0;
        for (int r = fromRow; r < toRow; r++) {
            longest = Math.max(longest, length(r));
        }
        if (longest > selected.most()) {
            stride = Math.ceilDiv(longest, RANGE) * RANGE;
            int needed = Math.multiplyExact(toRow - fromRow, stride);
            if (scores.length < needed) {
                scores = new float[Math.max(needed, 2 * scores.length)];
            }
            isScoring = true;
            nextClaim.set(0);
            workspace.run(this);
        }
        isScoring = false;
        nextClaim.set(0);
        workspace.run(this);
    }

    private int length(int row) {
        return rows.positions()[row] + 1;
    }

    @Override
    public void run(int slice, int slices) {
        SliceScratch scratch = workspace.scratch(slice);
        int ranges = isScoring ? stride / RANGE : 1;
        int claims = (toRow - fromRow) * ranges;
        for (int claim = nextClaim.getAndIncrement(); claim < claims; claim = nextClaim.getAndIncrement()) {
            workspace.check();
            int row = fromRow + claim / ranges;
            if (isScoring) {
                scoreRange(row, claim % ranges * RANGE, scratch);
            } else {
                choose(row, scratch);
            }
        }
    }

    private void choose(int row, SliceScratch scratch) {
        if (length(row) <= selected.most()) {
            selected.selectAll(row, length(row));
        } else {
            selected.selectBest(row, scores, (row - fromRow) * stride, length(row), scratch.histogram);
        }
    }

    private void scoreRange(int row, int from, SliceScratch scratch) {
        int to = Math.min(from + RANGE, length(row));
        if (length(row) <= selected.most() || from >= to) {
            return;
        }
        int at = (row - fromRow) * stride;
        Arrays.fill(scores, at + from, at + from + RANGE, 0f);
        for (int s = from; s < to; s += CHUNK_TOKENS) {
            int tokens = Math.min(CHUNK_TOKENS, to - s);
            scoreChunk(row, s, tokens, at + s, scratch);
        }
    }

    /** A tile may run past the last token: what it adds there is never read. */
    private void scoreChunk(int row, int from, int tokens, int at, SliceScratch scratch) {
        int headDim = keys.headDim();
        int heads = weights.columns();
        float[] chunk = scratch.widened(CHUNK_TOKENS * headDim);
        widen(row, from, tokens, chunk);
        for (int t = 0; t < tokens; t += VectorTile.SIDE) {
            for (int h = 0; h < heads; h += VectorTile.SIDE) {
                int x0 = query(row, h);
                int x1 = query(row, Math.min(h + 1, heads - 1));
                int x2 = query(row, Math.min(h + 2, heads - 1));
                int x3 = query(row, Math.min(h + 3, heads - 1));
                VectorTile.dots(
                        q.values(), x0, x1, x2, x3, chunk, t * headDim, headDim, headDim, scratch.lanes, scratch.sums);
                int weightsAt = weights.offset(row) + h;
                add(scratch.sums, Math.min(VectorTile.SIDE, heads - h), weightsAt, at + t);
            }
        }
    }

    private int query(int row, int head) {
        return q.offset(row) + head * keys.headDim();
    }

    private void add(float[] sums, int heads, int weightsAt, int at) {
        for (int i = 0; i < heads; i++) {
            float weight = weights.values()[weightsAt + i];
            for (int j = 0; j < VectorTile.SIDE; j++) {
                float dot = Math.max(sums[i * VectorTile.SIDE + j], 0f);
                scores[at + j] = Math.fma(weight, dot, scores[at + j]);
            }
        }
    }

    private void widen(int row, int from, int count, float[] chunk) {
        int[] blockTable = rows.blockTables()[row];
        for (int done = 0; done < count; ) {
            int position = from + done;
            int offsetInBlock = position % keys.blockSize();
            int run = Math.min(count - done, keys.blockSize() - offsetInBlock);
            long at = KvAddress.of(keys, blockTable[position / keys.blockSize()], 0, offsetInBlock);
            VectorWidening.widen(keys.dtype(), keys.data(), at, chunk, done * keys.headDim(), run * keys.headDim());
            done += run;
        }
    }
}
