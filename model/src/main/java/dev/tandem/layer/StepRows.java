package dev.tandem.layer;

import dev.tandem.kernel.AttentionRows;
import dev.tandem.kernel.KvPlaneView;
import dev.tandem.kv.KvPool;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The rows of one pass through the layers: which token, which position, and where in the cache. Buffers are taken once and filled
 * again for every pass: {@link #begin}, {@link #add} for each piece of a sequence, {@link #seal}. Owned by the rank worker.
 */
public final class StepRows {
    private static final AttentionRows NONE = new AttentionRows(0, new int[0], new int[0][], 1);

    private final int[] tokenIds; // [maxRows]
    private final int[] positions; // [maxRows]
    private final int[] slots; // [maxRows] block id * block size + offset
    private final int[][] blockTables; // [maxRows][blocks of the sequence], rows of one sequence share the array object
    private @Nullable KvPool pool; // of the running pass
    private AttentionRows attentionRows = NONE;
    private int count;

    /** @param maxRows most rows of one pass */
    public StepRows(int maxRows) {
        tokenIds = new int[maxRows];
        positions = new int[maxRows];
        slots = new int[maxRows];
        blockTables = new int[maxRows][];
    }

    /** Forgets the last pass; keys and values of the next one live in {@code kvPool}. */
    public void begin(KvPool kvPool) {
        pool = kvPool;
        count = 0;
        attentionRows = NONE;
    }

    /**
     * Adds consecutive tokens of one sequence.
     *
     * @param ids [rows of the batch] token ids, of which {@code [from, from + rows)} are meant
     * @param firstPosition position of the first of them
     * @param blockIds [blocks] of the sequence, from its beginning
     */
    public void add(int[] ids, int from, int rows, int firstPosition, int[] blockIds) {
        int blockSize = pool().layout().blockSize();
        System.arraycopy(ids, from, tokenIds, count, rows);
        for (int i = 0; i < rows; i++) {
            int position = firstPosition + i;
            positions[count + i] = position;
            slots[count + i] = blockIds[position / blockSize] * blockSize + position % blockSize;
            blockTables[count + i] = blockIds;
        }
        count += rows;
    }

    /** Ends the filling: the rows can now go through the layers. */
    public void seal() {
        Arrays.fill(blockTables, count, blockTables.length, null);
        attentionRows =
                new AttentionRows(count, positions, blockTables, pool().layout().blockSize());
    }

    /** Rows of this pass. */
    public int count() {
        return count;
    }

    /** Rows that still fit. */
    public int room() {
        return tokenIds.length - count;
    }

    /** Token of each row: the first {@link #count} entries. */
    public int[] tokenIds() {
        return tokenIds;
    }

    /** Position of each row in its sequence: the first {@link #count} entries. */
    int[] positions() {
        return positions;
    }

    /** Where in the cache each row's keys and values go: the first {@link #count} entries. */
    int[] slots() {
        return slots;
    }

    /** The rows as attention kernels read them. */
    AttentionRows attentionRows() {
        return attentionRows;
    }

    /** A plane of the pool in which this pass caches. */
    KvPlaneView plane(int planeIndex) {
        return pool().plane(planeIndex);
    }

    private KvPool pool() {
        if (pool == null) {
            throw new IllegalStateException("rows were not begun with a pool");
        }
        return pool;
    }
}
