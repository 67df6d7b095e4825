package dev.tandem.model;

import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import dev.tandem.model.TokenBatch.Chunk;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntPredicate;

/**
 * Runs the step shapes of serving until the JIT compiler has seen enough of them: one row, a few sequences of one row, and a chunk.
 * Without it, the first requests would run interpreted, many times slower. It uses a pool of its own, so no block of the serving pool and
 * no sequence sees it.
 */
public final class WarmUp {
    /** Sequences that decode together, where the model's limits allow that many. */
    private static final int USUAL_SEQUENCES = 4;

    private static final int SINGLE_STEPS = 8;

    private final Model model;
    private final KvLayout layout;
    private final int chunkRows;
    private final int sequences;
    private int steps;

    /**
     * @param layout block size and type that serving will use
     * @param chunkRows rows of the chunk, also the context of the single rows; some dozens are enough to reach every kernel
     */
    public WarmUp(Model model, KvLayout layout, int chunkRows) {
        this(model, layout, chunkRows, USUAL_SEQUENCES);
    }

    /** @param maxSequences most sequences of one step, for models that give fewer rows of logits than is usual */
    public WarmUp(Model model, KvLayout layout, int chunkRows, int maxSequences) {
        this.model = model;
        this.layout = layout;
        this.chunkRows = chunkRows;
        this.sequences = Math.min(maxSequences, USUAL_SEQUENCES);
    }

    /**
     * Runs rounds of all shapes.
     *
     * @param rounds most rounds
     * @param mayBegin asked with the number of steps that ran, not before the first step of a shape: whether there may be another one; all
     *     ranks of a group, which run in lockstep, must get the same answers
     * @return steps that ran
     */
    public int run(int rounds, IntPredicate mayBegin) {
        int blocksEach = layout.blocksFor(chunkRows + 1);
        try (var pool = new KvPool(layout, sequences * blocksEach)) {
            List<int[]> tables = blockTables(blocksEach);
            for (int round = 0; round < rounds && (round == 0 || mayBegin.test(steps)); round++) {
                step(chunk(tables.getFirst()), pool);
                step(decode(tables), pool);
                TokenBatch single = decode(tables.subList(0, 1));
                for (int i = 0; i < SINGLE_STEPS && (i == 0 || mayBegin.test(steps)); i++) {
                    step(single, pool);
                }
            }
        }
        return steps;
    }

    private void step(TokenBatch batch, KvPool pool) {
        model.forward(batch, pool, layer -> {}, () -> {});
        steps++;
    }

    private List<int[]> blockTables(int blocksEach) {
        var tables = new ArrayList<int[]>();
        for (int sequence = 0; sequence < sequences; sequence++) {
            var blockIds = new int[blocksEach];
            for (int i = 0; i < blocksEach; i++) {
                blockIds[i] = sequence * blocksEach + i;
            }
            tables.add(blockIds);
        }
        return tables;
    }

    private TokenBatch chunk(int[] blockIds) {
        return new TokenBatch(tokenIds(chunkRows), List.of(new Chunk(chunkRows, 0, blockIds, 1)));
    }

    /** One row of each sequence behind a context of {@code chunkRows} tokens. */
    private TokenBatch decode(List<int[]> tables) {
        var chunks = new ArrayList<Chunk>();
        for (int[] blockIds : tables) {
            chunks.add(new Chunk(1, chunkRows, blockIds, 1));
        }
        return new TokenBatch(tokenIds(tables.size()), chunks);
    }

    /** Ids spread over the vocabulary, so that many experts are chosen. */
    private int[] tokenIds(int count) {
        int vocabulary = model.config().vocabularySize();
        var ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = (int) ((i * 7919L + 17) % vocabulary);
        }
        return ids;
    }
}
