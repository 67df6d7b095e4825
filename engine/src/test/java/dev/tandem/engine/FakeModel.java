package dev.tandem.engine;

import dev.tandem.checkpoint.ModelConfig;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.Matrix;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.model.Model;
import dev.tandem.model.TokenBatch;
import dev.tandem.model.TokenBatch.Chunk;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;

/**
 * A model whose logits are a hash of everything that it reads back from the KV pool for the sequence: a block that is not its own, not
 * written yet or written twice gives other tokens.
 */
final class FakeModel implements Model {
    static final int VOCABULARY = 97;
    static final int END_TOKEN = 96;
    static final int LAYERS = 2;

    private final Matrix logits;
    private volatile CountDownLatch gate = new CountDownLatch(0);
    private volatile CountDownLatch arrivals = new CountDownLatch(0);
    private volatile Optional<RuntimeException> failure = Optional.empty();
    private volatile boolean hasNoMemory;
    private volatile boolean isClosed;
    private volatile boolean givesNoNumbers;
    private volatile int longestBatch;

    FakeModel() {
        this(64);
    }

    FakeModel(int maxLogitRows) {
        this.logits = Matrix.of(maxLogitRows, VOCABULARY);
    }

    /** The next batches stop after their first layer until the answer is counted down. */
    CountDownLatch hold() {
        arrivals = new CountDownLatch(1);
        gate = new CountDownLatch(1);
        return gate;
    }

    /** Waits until a batch is held. */
    void awaitHeld() throws InterruptedException {
        if (!arrivals.await(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no batch is held");
        }
    }

    void failWith(RuntimeException cause) {
        failure = Optional.of(cause);
    }

    /** As the JVM says it where the system finds no page for a mapped file. */
    void haveMemory(boolean isThere) {
        hasNoMemory = !isThere;
    }

    void giveNoNumbers() {
        givesNoNumbers = true;
    }

    boolean isClosed() {
        return isClosed;
    }

    /** Rows of the longest batch so far. */
    int longestBatch() {
        return longestBatch;
    }

    @Override
    public ModelConfig config() {
        return new ModelConfig(
                ModelConfig.Architecture.LLAMA,
                LAYERS,
                0,
                1,
                VOCABULARY,
                4096,
                1e-5f,
                true,
                DType.F32,
                new ModelConfig.GroupedQuery(1, 1, 1, false, new ModelConfig.Rope(10_000, Optional.empty())),
                new ModelConfig.FeedForward(1, Optional.empty()),
                new ModelConfig.Tokens(
                        Optional.empty(),
                        List.of(END_TOKEN),
                        new ModelConfig.GenerationDefaults(
                                Optional.empty(),
                                Optional.empty(),
                                Optional.empty(),
                                Optional.empty(),
                                Optional.empty())));
    }

    @Override
    public KvLayout kvLayout(int blockSize, DType kvDtype) {
        return layout(blockSize);
    }

    static KvLayout layout(int blockSize) {
        var planes = new ArrayList<KvPlane>();
        for (int layer = 0; layer < LAYERS; layer++) {
            planes.add(new KvPlane("k." + layer, DType.I32, 1, 1, 0, 1));
        }
        return new KvLayout(blockSize, planes);
    }

    @Override
    public Matrix forward(TokenBatch batch, KvPool pool, IntConsumer afterLayer, Runnable check) {
        longestBatch = Math.max(longestBatch, batch.rows());
        if (failure.isPresent()) {
            throw failure.get();
        }
        if (hasNoMemory) {
            throw new InternalError("a fault occurred in an unsafe memory access operation");
        }
        for (int layer = 0; layer < LAYERS; layer++) {
            int row = 0;
            for (Chunk chunk : batch.chunks()) {
                for (int i = 0; i < chunk.rows(); i++) {
                    write(pool, chunk.blockIds(), layer, chunk.firstPosition() + i, batch.tokenIds()[row++]);
                }
            }
            CountDownLatch held = gate; // before anybody hears of it, who may close the next one
            arrivals.countDown();
            await(held);
            check.run();
            afterLayer.accept(layer);
        }
        int logitRow = 0;
        for (Chunk chunk : batch.chunks()) {
            if (chunk.logitRows() == 1) {
                fill(logitRow++, hashOf(pool, chunk));
            }
        }
        return logits;
    }

    @Override
    public void close() {
        isClosed = true;
    }

    /** What greedy decoding gives, computed without any pool. */
    static List<Integer> greedy(int[] prompt, int count) {
        int[] tokens = Arrays.copyOf(prompt, prompt.length + count);
        var generated = new ArrayList<Integer>();
        for (int length = prompt.length; length < tokens.length; length++) {
            long hash = 0;
            for (int position = 0; position < length; position++) {
                for (int layer = 0; layer < LAYERS; layer++) {
                    hash = mix(hash * 31 + value(tokens[position], position, layer));
                }
            }
            tokens[length] = best(hash);
            generated.add(tokens[length]);
        }
        return generated;
    }

    /** What a prefill node would have in its blocks: keys and values of positions {@code [from, prompt.length)}. */
    static void writePrompt(KvPool pool, int[] blockIds, int[] prompt, int from) {
        for (int position = from; position < prompt.length; position++) {
            for (int layer = 0; layer < LAYERS; layer++) {
                write(pool, blockIds, layer, position, prompt[position]);
            }
        }
    }

    private static void await(CountDownLatch held) {
        try {
            held.await();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    private void fill(int row, long hash) {
        for (int id = 0; id < VOCABULARY; id++) {
            logits.values()[logits.offset(row) + id] = givesNoNumbers ? Float.NaN : logit(hash, id);
        }
    }

    private static int best(long hash) {
        int best = 0;
        for (int id = 1; id < VOCABULARY; id++) {
            best = logit(hash, id) > logit(hash, best) ? id : best;
        }
        return best;
    }

    private static float logit(long hash, int id) {
        return (mix(hash + id) >>> 40) * 0x1p-22f; // 0..4
    }

    private static long hashOf(KvPool pool, Chunk chunk) {
        long hash = 0;
        for (int position = 0; position < chunk.firstPosition() + chunk.rows(); position++) {
            for (int layer = 0; layer < LAYERS; layer++) {
                hash = mix(hash * 31 + read(pool, chunk.blockIds(), layer, position));
            }
        }
        return hash;
    }

    private static int read(KvPool pool, int[] blockIds, int layer, int position) {
        return pool.plane(layer).data().getAtIndex(ValueLayout.JAVA_INT, slot(pool, blockIds, position));
    }

    private static void write(KvPool pool, int[] blockIds, int layer, int position, int tokenId) {
        pool.plane(layer)
                .data()
                .setAtIndex(ValueLayout.JAVA_INT, slot(pool, blockIds, position), value(tokenId, position, layer));
    }

    private static long slot(KvPool pool, int[] blockIds, int position) {
        int blockSize = pool.layout().blockSize();
        return (long) blockIds[position / blockSize] * blockSize + position % blockSize;
    }

    private static int value(int tokenId, int position, int layer) {
        return (int) mix(((long) tokenId << 32) + position * 7L + layer + 1);
    }

    private static long mix(long value) {
        long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
