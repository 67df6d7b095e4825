package dev.tandem.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.checkpoint.Checkpoint;
import dev.tandem.kernel.DType;
import dev.tandem.kernel.KernelThreads;
import dev.tandem.kernel.Matrix;
import dev.tandem.kernel.selection.KernelSelection;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.layer.RankContext;
import dev.tandem.model.TestRank.Setup;
import dev.tandem.model.TokenBatch.Chunk;
import dev.tandem.parallel.Rank;
import dev.tandem.parallel.TensorGroup;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a decoder does around its layers: layouts, passes, logits, checks and the warm-up. */
class DecoderTest {
    private static final int MOST_ROUNDS = 200;
    private static final int STEPS = 100;
    private static final int[] PROMPT = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3};

    private TestRank rank;

    @BeforeEach
    void open() {
        rank = new TestRank(
                TestRank.GOLDEN.resolve("llama"),
                Setup.plain(KernelSelection.best()).withMaxRows(4));
    }

    @AfterEach
    void close() {
        rank.close();
    }

    @Test
    void shouldListKeysThenValuesOfEachLayer() {
        KvLayout layout = rank.model.kvLayout(32, DType.BF16);
        assertThat(layout.planes()).extracting(KvPlane::name).containsExactly("k.0", "v.0", "k.1", "v.1", "k.2", "v.2");
        assertThat(layout.planes().getFirst()).isEqualTo(new KvPlane("k.0", DType.BF16, 2, 16, 0, 2));
        assertThat(layout.tokenBytes()).isEqualTo(3 * 2 * 2 * 16 * 2);
    }

    @Test
    void shouldReplicateHeadsInLayoutOfManyRanks() {
        KvLayout layout = KvLayouts.of(rank.model.config(), new Rank(5, 8, 0, 1), 16, DType.F32);
        assertThat(layout.planes().getFirst()).isEqualTo(new KvPlane("k.0", DType.F32, 1, 16, 1, 2));
    }

    @Test
    void shouldLoadShardOfLargerGroup() {
        try (var checkpoint = Checkpoint.open(TestRank.GOLDEN.resolve("llama"));
                var threads = new KernelThreads(1)) {
            KvLayout layout = load(checkpoint, new Rank(3, 4, 0, 1), threads).kvLayout(16, DType.F32);
            assertThat(layout.planes().getFirst()).isEqualTo(new KvPlane("k.0", DType.F32, 1, 16, 1, 2));
            assertThatThrownBy(() -> load(checkpoint, new Rank(0, 3, 0, 1), threads))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "tensor parallel size 3 does not fit query heads 8, hidden size 128, intermediate size 320,"
                                    + " KV heads 2; sizes that fit: [1, 2, 4, 8]");
        }
    }

    private static Model load(Checkpoint checkpoint, Rank place, KernelThreads threads) {
        var context = new RankContext(
                place, TensorGroup.single().member(0), KernelSelection.best().kernels(threads), Optional.empty());
        return ModelLoader.load(checkpoint, context, new StepLimits(4, 1, 64));
    }

    @Test
    void shouldRefuseCacheTypesThatAreNotFloats() {
        assertThatThrownBy(() -> rank.model.kvLayout(16, DType.Q8_0)).hasMessageContaining("Q8_0");
    }

    @Test
    void shouldGiveLogitsOfAskedRowsInOrder() {
        int[] blockIds = rank.takeBlocks(PROMPT.length);
        Matrix all = rank.forward(PROMPT, List.of(new Chunk(PROMPT.length, 0, blockIds, PROMPT.length)));
        float[][] expected = new float[PROMPT.length][];
        for (int i = 0; i < PROMPT.length; i++) {
            expected[i] = TestRank.row(all, i);
        }
        int[] other = rank.takeBlocks(3);
        int[] third = rank.takeBlocks(2);
        int[] ids = {3, 1, 4, 3, 1, 3, 1, 4, 1, 5};
        Matrix mixed = rank.forward(
                ids,
                List.of(new Chunk(3, 0, other, 2), new Chunk(2, 0, third, 0), new Chunk(5, 0, rank.takeBlocks(5), 1)));
        assertThat(TestRank.row(mixed, 0)).containsExactly(expected[1]);
        assertThat(TestRank.row(mixed, 1)).containsExactly(expected[2]);
        assertThat(TestRank.row(mixed, 2)).containsExactly(expected[4]);
    }

    @Test
    void shouldCallBackOncePerLayerWhenAllRowsAreStored() {
        int[] blockIds = rank.takeBlocks(PROMPT.length);
        var layers = new ArrayList<Integer>();
        rank.model.forward(
                new TokenBatch(PROMPT, List.of(new Chunk(PROMPT.length, 0, blockIds, 0))),
                rank.pool,
                layer -> {
                    layers.add(layer);
                    for (int plane = 2 * layer; plane < 2 * layer + 2; plane++) {
                        long token = rank.pool.layout().blockBytes(plane) / 2 / 16;
                        long last = blockIds[0] * rank.pool.layout().blockBytes(plane) + (PROMPT.length - 1) * token;
                        assertThat(rank.pool
                                        .plane(plane)
                                        .data()
                                        .asSlice(last, token)
                                        .toArray(ValueLayout.JAVA_BYTE))
                                .as("last token in plane %d", plane)
                                .isNotEqualTo(new byte[(int) token]);
                    }
                },
                () -> {});
        assertThat(layers).containsExactly(0, 1, 2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3-moe", "deepseek-v3.2-w8a8"})
    void shouldComputeTheSameAfterAStepThatWasGivenUpAnywhere(String name) {
        try (var own = new TestRank(
                TestRank.GOLDEN.resolve(name),
                Setup.plain(KernelSelection.best()).withThreads(3))) {
            var batch = new TokenBatch(PROMPT, List.of(new Chunk(PROMPT.length, 0, own.takeBlocks(PROMPT.length), 1)));
            var turns = new AtomicInteger();
            float[] expected = TestRank.row(own.model.forward(batch, own.pool, layer -> {}, turns::incrementAndGet), 0);
            assertThat(turns.get())
                    .as("it is asked within layers too")
                    .isGreaterThan(5 * own.model.config().layers());
            for (int last = 1; last <= turns.get(); last += Math.max(1, turns.get() / 12)) {
                giveUp(own, batch, last);
                Matrix again = own.model.forward(batch, own.pool, layer -> {}, () -> {});
                assertThat(TestRank.row(again, 0))
                        .as("given up at turn %d", last)
                        .containsExactly(expected);
            }
        }
    }

    @Test
    void shouldGiveUpInTheFirstPassOfALongStep() {
        try (var own = new TestRank(
                TestRank.GOLDEN.resolve("llama"),
                Setup.plain(KernelSelection.best()).withMaxRows(2))) {
            var batch = new TokenBatch(PROMPT, List.of(new Chunk(PROMPT.length, 0, own.takeBlocks(PROMPT.length), 1)));
            var turns = new AtomicInteger();
            own.model.forward(batch, own.pool, layer -> {}, turns::incrementAndGet);
            int passes = (PROMPT.length + 1) / 2;

            byte[] pool = own.pool.memory().toArray(ValueLayout.JAVA_BYTE);
            own.pool.memory().fill((byte) 0);
            giveUp(own, batch, turns.get() / passes - 1);

            byte[] after = own.pool.memory().toArray(ValueLayout.JAVA_BYTE);
            assertThat(after).isNotEqualTo(pool);
            assertThat(nonZero(after)).isPositive().isLessThan(nonZero(pool) * 2 / passes);
        }
    }

    private static long nonZero(byte[] bytes) {
        long count = 0;
        for (byte value : bytes) {
            count += value == 0 ? 0 : 1;
        }
        return count;
    }

    private static void giveUp(TestRank rank, TokenBatch batch, int lastTurn) {
        var turns = new AtomicInteger();
        assertThatThrownBy(() -> rank.model.forward(batch, rank.pool, layer -> {}, () -> {
                    if (turns.incrementAndGet() >= lastTurn) {
                        throw new IllegalStateException("nobody waits");
                    }
                }))
                .hasMessage("nobody waits");
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "qwen3-moe", "deepseek-v3", "deepseek-v3.2"})
    void shouldAllocateNextToNothingInDecodeStep(String name) {
        try (var own = new TestRank(
                TestRank.GOLDEN.resolve(name),
                Setup.plain(KernelSelection.best()).withMaxRows(4))) {
            // some 15 loops per layer are handed to the kernel threads, 2 KiB of closures until the compiler has
            // removed them (measured then: 24 bytes per step); the scratch of a pass would be 23 KiB, the logits
            // 1.9 MiB
            long limit = 4096L * own.model.config().layers();
            assertThat(bytesPerDecodeStep(own, limit)).isLessThan(limit);
        }
    }

    /** Bytes that a step of one row allocates, measured again until the compiler is done or the bytes are below a limit. */
    private static long bytesPerDecodeStep(TestRank rank, long limit) {
        var bean = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        int[] blockIds = rank.takeBlocks(16);
        var batch = new TokenBatch(new int[] {7}, List.of(new Chunk(1, 0, blockIds, 1)));
        long bytesPerStep = Long.MAX_VALUE;
        for (int round = 0; round < MOST_ROUNDS && bytesPerStep >= limit; round++) {
            long before = bean.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < STEPS; i++) {
                rank.model.forward(batch, rank.pool, layer -> {}, () -> {});
            }
            bytesPerStep = (bean.getCurrentThreadAllocatedBytes() - before) / STEPS;
        }
        return bytesPerStep;
    }

    @Test
    void shouldRefuseBatchesThatDoNotFit() {
        int[] one = rank.takeBlocks(1);
        assertRefused(new int[] {1}, new Chunk(1, 16, one, 1), "17 tokens need 2 blocks, the chunk has 1");
        assertRefused(new int[] {1}, new Chunk(1, 0, new int[] {5000}, 1), "block id 5000 is outside the pool of 2048");
        assertRefused(new int[] {1}, new Chunk(1, 512, new int[40], 1), "513 tokens exceeds max model length 512");
        assertRefused(new int[] {1536}, new Chunk(1, 0, one, 1), "token id 1536 is outside the vocabulary of 1536");
        assertRefused(new int[] {1, 2}, new Chunk(1, 0, one, 1), "chunks of 1 rows for 2 tokens");
        assertRefused(new int[] {1}, new Chunk(1, 0, one, 2), "with 2 rows of logits");
        assertRefused(new int[321], new Chunk(321, 0, rank.takeBlocks(321), 321), "exceed max logit rows 320");
    }

    private void assertRefused(int[] ids, Chunk chunk, String message) {
        assertThatThrownBy(() -> rank.forward(ids, List.of(chunk)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
    }

    @Test
    void shouldRefusePoolOfAnotherModel() {
        var layout = new KvLayout(16, List.of(new KvPlane("k.0", DType.F32, 1, 16, 0, 1)));
        try (var pool = new KvPool(layout, 1)) {
            var batch = new TokenBatch(new int[] {1}, List.of(new Chunk(1, 0, new int[] {0}, 1)));
            assertThatThrownBy(() -> rank.model.forward(batch, pool, layer -> {}, () -> {}))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("does not fit the model");
        }
    }

    @Test
    void shouldWarmUpEveryShapeAndLeaveNoTrace() {
        List<float[]> before = rank.greedy(PROMPT, 3, 5);
        byte[] pool = rank.pool.memory().toArray(ValueLayout.JAVA_BYTE);
        int steps = new WarmUp(rank.model, rank.pool.layout(), 32).run(2, step -> true);
        assertThat(steps).isEqualTo(2 * 10);
        assertThat(rank.pool.memory().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(pool);
        assertThat(Arrays.deepEquals(rank.greedy(PROMPT, 3, 5).toArray(), before.toArray()))
                .isTrue();
    }

    @Test
    void shouldRunOneStepOfEachShapeWhereWarmUpMayNotGoOn() {
        int steps = new WarmUp(rank.model, rank.pool.layout(), 32).run(50, step -> false);
        assertThat(steps).isEqualTo(3);
    }
}
