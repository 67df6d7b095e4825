package dev.tandem.kernel.vector;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.AttentionShape;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Kernels;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kernel.LatentShape;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.SelectedPositions;
import dev.tandem.kernel.scalar.KvAddress;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * One attention as a loop for {@link KernelThreads}: a command object that is filled before each run and used again. A claim is a few
 * rows of one sequence with query heads of one KV head: these queries share every key and value that is widened. Each row's sums
 * are its own and in the one order, whichever rows it is taken with.
 */
final class AttentionTask implements KernelThreads.Slice {
    /** Queries (rows times heads) that a claim may take together. */
    private static final int MOST_QUERIES = 32;

    /** Tokens of the cache that are widened at a time, at most; a multiple of the tile. */
    private static final int MOST_CHUNK_TOKENS = 32;

    /** Floats of widened keys that stay in the first-level cache while queries go by. */
    private static final int CHUNK_FLOATS = 8 << 10;

    /** Values of the cache below which an attention is not worth waking other threads. */
    private static final int PARALLEL_VALUES = 16 << 10;

    /**
     * Claims that each thread should find, before the heads of a group are split among threads. A tile of queries is never split: a part
     * of it takes as long as the whole.
     */
    private static final int CLAIMS_PER_THREAD = 2;

    private final VectorWorkspace workspace;
    private final AtomicInteger nextClaim = new AtomicInteger();

    private Matrix q;
    private int column;
    private Matrix out;
    private KvPlaneView keys;
    private KvPlaneView values;
    private AttentionRows rows;
    private int queryHeads;
    private int kvHeads;
    private float scale;

    /** Keys may be two vectors one after the other, in a plane each; null where one plane has them whole. */
    private @Nullable KvPlaneView keyTails;

    /** What each row reads; null where that is every position up to its own. */
    private @Nullable SelectedPositions selected;

    private int keyDim;
    private int valueDim;
    private int chunkTokens;

    /** First row of every block of rows, and one more entry at the end. */
    private int[] blockStarts = new int[2];

    private int blocks;
    private int claimHeads;
    private int claimsPerBlock;
    private int claims;

    @SuppressWarnings("NullAway.Init") // operands are set before every run
    AttentionTask(VectorWorkspace workspace) {
        this.workspace = workspace;
    }

    /** As {@link Kernels#attention}. */
    void run(
            Matrix q,
            int column,
            Matrix out,
            KvPlaneView keys,
            KvPlaneView values,
            AttentionRows rows,
            AttentionShape shape) {
        this.q = q;
        this.column = column;
        this.out = out;
        this.keys = keys;
        this.keyTails = null;
        this.values = values;
        this.rows = rows;
        this.selected = null;
        this.queryHeads = shape.queryHeads();
        this.kvHeads = shape.kvHeads();
        this.scale = shape.scale();
        this.keyDim = shape.headDim();
        this.valueDim = shape.headDim();
        run();
    }

    /** As {@link Kernels#latentAttention}, or as {@link Kernels#sparseLatentAttention}. */
    void runLatent(
            Matrix q,
            Matrix out,
            KvPlaneView latents,
            KvPlaneView rotaryKeys,
            AttentionRows rows,
            LatentShape shape,
            @Nullable SelectedPositions selected) {
        this.q = q;
        this.column = 0;
        this.out = out;
        this.keys = latents;
        this.keyTails = rotaryKeys;
        this.values = latents;
        this.rows = rows;
        this.selected = selected;
        this.queryHeads = shape.heads();
        this.kvHeads = 1;
        this.scale = shape.scale();
        this.keyDim = shape.query();
        this.valueDim = shape.latent();
        run();
    }

    private void run() {
        int tokens = CHUNK_FLOATS / keyDim / VectorTile.SIDE * VectorTile.SIDE;
        chunkTokens = Math.clamp(tokens, VectorTile.SIDE, MOST_CHUNK_TOKENS);
        cut();
        nextClaim.set(0);
        if (claims == 1 || isShort()) {
            run(0, 1);
        } else {
            workspace.run(this);
        }
    }

    /** True where the caller has read the cache before others would have woken. */
    private boolean isShort() {
        long positions = 0;
        for (int i = 0; i < blocks; i++) {
            positions += length(blockStarts[i + 1] - 1);
        }
        return positions * kvHeads * (keyDim + valueDim) < PARALLEL_VALUES;
    }

    /** Rows with positions of their own share no keys: then a claim is one row. */
    private void cut() {
        int groupHeads = queryHeads / kvHeads;
        cutRows(selected == null ? Math.max(1, MOST_QUERIES / groupHeads) : 1);
        claimHeads = Math.min(groupHeads, MOST_QUERIES);
        int wanted = CLAIMS_PER_THREAD * workspace.count();
        if (workspace.count() > 1 && blocks * kvHeads < wanted) {
            int tiles = blocks * queryHeads / wanted / VectorTile.SIDE;
            int fitting = Math.min(tiles * VectorTile.SIDE, claimHeads);
            claimHeads = Math.max(fitting, Math.min(VectorTile.SIDE, claimHeads));
        }
        while (groupHeads % claimHeads != 0) {
            claimHeads--;
        }
        claimsPerBlock = queryHeads / claimHeads;
        claims = blocks * claimsPerBlock;
    }

    /** Blocks of neighbouring rows that belong to one sequence: those share the block table object. */
    @SuppressWarnings("ReferenceEquality")
    private void cutRows(int mostRows) {
        if (blockStarts.length < rows.count() + 1) {
            blockStarts = new int[rows.count() + 1];
        }
        blocks = 0;
        int start = 0;
        for (int r = 1; r <= rows.count(); r++) {
            boolean isEnd = r == rows.count() || r - start == mostRows;
            if (isEnd || rows.blockTables()[r] != rows.blockTables()[start]) {
                blockStarts[blocks++] = start;
                start = r;
            }
        }
        blockStarts[blocks] = rows.count();
    }

    @Override
    public void run(int slice, int slices) {
        SliceScratch scratch = workspace.scratch(slice);
        for (int claim = nextClaim.getAndIncrement(); claim < claims; claim = nextClaim.getAndIncrement()) {
            workspace.check();
            int fromEnd = claims - 1 - claim; // later rows of a prompt read more: they go first
            scratch.queries.set(this, fromEnd / claimsPerBlock, fromEnd % claimsPerBlock * claimHeads);
            attend(scratch.queries, scratch);
        }
    }

    /** The queries of one claim: rows fromRow..toRow-1 times heads fromHead..fromHead+heads-1. Owned by one slice. */
    static final class Queries {
        private int fromRow;
        private int fromHead;
        private int heads;
        private int count;
        private int longest;

        void set(AttentionTask task, int block, int firstHead) {
            fromRow = task.blockStarts[block];
            int toRow = task.blockStarts[block + 1];
            fromHead = firstHead;
            heads = task.claimHeads;
            count = (toRow - fromRow) * heads;
            longest = 0;
            for (int r = fromRow; r < toRow; r++) {
                longest = Math.max(longest, task.length(r));
            }
        }

        /** Row of query i; beyond the last query the last one is repeated. */
        int row(int i) {
            return fromRow + Math.min(i, count - 1) / heads;
        }

        int head(int i) {
            return fromHead + Math.min(i, count - 1) % heads;
        }
    }

    /** Positions that a row reads. */
    private int length(int row) {
        return selected == null ? rows.positions()[row] + 1 : selected.count(row);
    }

    private int length(Queries queries, int i) {
        return length(queries.row(i));
    }

    private int queryOffset(Queries queries, int i) {
        return q.offset(queries.row(i)) + column + queries.head(i) * keyDim;
    }

    private void attend(Queries queries, SliceScratch scratch) {
        int stride = VectorTile.tiled(queries.longest);
        int tiledQueries = VectorTile.tiled(queries.count);
        float[] scores = scratch.scores(tiledQueries * stride);
        float[] chunk = scratch.widened(chunkTokens * keyDim);
        for (int s = 0; s < queries.longest; s += chunkTokens) {
            int tokens = Math.min(chunkTokens, queries.longest - s);
            widenKeys(queries, s, tokens, chunk);
            score(queries, s, tokens, stride, scores, scratch);
        }
        for (int i = 0; i < queries.count; i++) {
            VectorRows.softmax(scores, i * stride, length(queries, i), scratch.lanes);
        }
        float[] mixed = scratch.mixed(tiledQueries * valueDim);
        Arrays.fill(mixed, 0, tiledQueries * valueDim, 0f);
        for (int s = 0; s < queries.longest; s += chunkTokens) {
            int tokens = Math.min(chunkTokens, queries.longest - s);
            widenValues(queries, s, tokens, chunk);
            mix(queries, s, tokens, stride, scores, chunk, mixed);
        }
        for (int i = 0; i < queries.count; i++) {
            int to = out.offset(queries.row(i)) + queries.head(i) * valueDim;
            System.arraycopy(mixed, i * valueDim, out.values(), to, valueDim);
        }
    }

    /** Widens the keys of positions from..from+count-1 of those that the queries read, one after the other. */
    private void widenKeys(Queries queries, int from, int count, float[] chunk) {
        for (int done = 0; done < count; ) {
            int run = runLength(queries, from + done, count - done);
            if (keyTails == null) {
                widen(keys, queries, from + done, run, chunk, done * keyDim);
            } else {
                for (int i = 0; i < run; i++) {
                    int at = (done + i) * keyDim;
                    widen(keys, queries, from + done + i, 1, chunk, at);
                    widen(keyTails, queries, from + done + i, 1, chunk, at + keys.headDim());
                }
            }
            done += run;
        }
    }

    private void widenValues(Queries queries, int from, int count, float[] chunk) {
        for (int done = 0; done < count; ) {
            int run = runLength(queries, from + done, count - done);
            widen(values, queries, from + done, run, chunk, done * valueDim);
            done += run;
        }
    }

    private int position(Queries queries, int index) {
        return selected == null ? index : selected.position(queries.fromRow, index);
    }

    /** How many positions from the index-th on lie one after the other in one block. */
    private int runLength(Queries queries, int index, int most) {
        int first = position(queries, index);
        int longest = Math.min(most, rows.blockSize() - first % rows.blockSize());
        int run = selected == null ? longest : 1;
        while (run < longest && position(queries, index + run) == first + run) {
            run++;
        }
        return run;
    }

    /** Widens a run of one KV head. */
    private void widen(KvPlaneView view, Queries queries, int index, int run, float[] chunk, int at) {
        int position = position(queries, index);
        int block = rows.blockTables()[queries.fromRow][position / view.blockSize()];
        int kvHead = queries.fromHead / (queryHeads / kvHeads);
        long from = KvAddress.of(view, block, kvHead, position % view.blockSize());
        VectorWidening.widen(view.dtype(), view.data(), from, chunk, at, run * view.headDim());
    }

    /**
     * Scaled scores of all queries for one chunk of keys. A tile may run past a query's last token or past the chunk: what it writes there
     * is overwritten by the next chunk or never read.
     */
    private void score(Queries queries, int from, int tokens, int stride, float[] scores, SliceScratch scratch) {
        float[] x = q.values();
        float[] chunk = scratch.widened(chunkTokens * keyDim);
        for (int i = 0; i < queries.count; i += VectorTile.SIDE) {
            int x0 = queryOffset(queries, i);
            int x1 = queryOffset(queries, i + 1);
            int x2 = queryOffset(queries, i + 2);
            int x3 = queryOffset(queries, i + 3);
            int visible = Math.min(tokens, longest4(queries, i) - from);
            for (int t = 0; t < visible; t += VectorTile.SIDE) {
                VectorTile.dots(x, x0, x1, x2, x3, chunk, t * keyDim, keyDim, keyDim, scratch.lanes, scratch.sums);
                writeScores(scratch.sums, scores, i * stride + from + t, stride);
            }
        }
    }

    private void writeScores(float[] sums, float[] scores, int at, int stride) {
        for (int i = 0; i < VectorTile.SIDE; i++) {
            for (int j = 0; j < VectorTile.SIDE; j++) {
                scores[at + i * stride + j] = scale * sums[i * VectorTile.SIDE + j];
            }
        }
    }

    private int longest4(Queries queries, int i) {
        return Math.max(
                Math.max(length(queries, i), length(queries, i + 1)),
                Math.max(length(queries, i + 2), length(queries, i + 3)));
    }

    private int shortest4(Queries queries, int i) {
        return Math.min(
                Math.min(length(queries, i), length(queries, i + 1)),
                Math.min(length(queries, i + 2), length(queries, i + 3)));
    }

    /**
     * Adds one chunk of values to the results: the tokens that four queries all see together, the rest query by query. Rows
     * beyond the last query mix leftovers that nobody reads.
     */
    private void mix(Queries queries, int from, int tokens, int stride, float[] scores, float[] chunk, float[] mixed) {
        for (int i = 0; i < queries.count; i += VectorMix.QUERIES) {
            int common = Math.clamp(shortest4(queries, i) - from, 0, tokens);
            int p = i * stride + from;
            VectorMix.mix4(
                    scores,
                    p,
                    p + stride,
                    p + 2 * stride,
                    p + 3 * stride,
                    chunk,
                    common,
                    valueDim,
                    mixed,
                    i * valueDim);
            for (int j = i; j < Math.min(queries.count, i + VectorMix.QUERIES); j++) {
                int visible = Math.clamp(length(queries, j) - from, 0, tokens);
                VectorMix.mix(scores, j * stride + from, chunk, common, visible, valueDim, mixed, j * valueDim);
            }
        }
    }
}
