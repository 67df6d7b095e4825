package dev.tandem.engine.handoff.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.kernel.DType;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPlane;
import dev.tandem.kv.KvPool;
import dev.tandem.transfer.SpanBatch;
import dev.tandem.transfer.TransferException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TransferPlanTest {
    private static final int COMBINATIONS = 1_500;

    /** Every layout pair, length, prefix and split of the heads: the copy gives exactly the asked tokens and nothing else. */
    @ParameterizedTest
    @MethodSource("seeds")
    void shouldCopyExactlyTheAskedTokens(int seed) {
        for (int round = 0; round < COMBINATIONS / 10; round++) {
            checkCombination(new SplittableRandom(seed * 1_000L + round));
        }
    }

    static IntStream seeds() {
        return IntStream.range(0, 10);
    }

    private static void checkCombination(SplittableRandom random) {
        int layers = random.nextInt(1, 3);
        int headDim = 1 << random.nextInt(0, 4);
        int modelHeads = random.nextInt(1, 9);
        int targetSize = random.nextInt(1, 20);
        int prompt = random.nextInt(1, 90);
        int cached = random.nextInt(0, prompt / targetSize + 1) * targetSize;
        int firstHead = random.nextInt(0, modelHeads);
        int heads = random.nextInt(1, modelHeads - firstHead + 1);
        KvLayout targetLayout = KvFixtures.rank(targetSize, layers, headDim, firstHead, heads, modelHeads);
        try (var target = new KvPool(targetLayout, targetLayout.blocksFor(prompt) + 3)) {
            int[] targetBlocks = KvFixtures.scattered(targetLayout.blocksFor(prompt), target.blockCount(), random);
            var ranks = new ArrayList<SourceRank>();
            try {
                for (int rankHeads[] : splits(modelHeads, random)) {
                    int sourceSize = random.nextBoolean() ? targetSize : random.nextInt(1, 20);
                    KvLayout layout =
                            KvFixtures.rank(sourceSize, layers, headDim, rankHeads[0], rankHeads[1], modelHeads);
                    ranks.add(SourceRank.holding(layout, prompt, random));
                }
                var plan =
                        TransferPlan.between(sources(ranks), targetOf(target, targetBlocks), TransferPlan.Local.TARGET);
                for (int rank = 0; rank < ranks.size(); rank++) {
                    ranks.get(rank).copyTo(plan.spans(rank, new TransferPlan.Tokens(cached, prompt), target.memory()));
                }
                assertThat(KvFixtures.snapshot(target))
                        .as("block sizes %s to %d, prompt %d, cached %d", ranks, targetSize, prompt, cached)
                        .isEqualTo(expectation(targetLayout, target.blockCount(), targetBlocks, cached, prompt));
            } finally {
                ranks.forEach(rank -> rank.pool.close());
            }
        }
    }

    /** Ranges (first head, heads) that cover all heads; sometimes replicated on two ranks. */
    private static List<int[]> splits(int modelHeads, SplittableRandom random) {
        var splits = new ArrayList<int[]>();
        int first = 0;
        while (first < modelHeads) {
            int heads = random.nextInt(1, modelHeads - first + 1);
            splits.add(new int[] {first, heads});
            if (random.nextInt(4) == 0) {
                splits.add(new int[] {first, heads});
            }
            first += heads;
        }
        return splits;
    }

    private static List<TransferPlan.PeerSide> sources(List<SourceRank> ranks) {
        var sources = new ArrayList<TransferPlan.PeerSide>();
        for (SourceRank rank : ranks) {
            sources.add(rank.source());
        }
        return sources;
    }

    private static TransferPlan.LocalSide targetOf(KvPool pool, int[] blocks) {
        return TransferPlan.LocalSide.of(pool, blocks);
    }

    private static byte[] expectation(KvLayout layout, int blockCount, int[] blocks, int cached, int prompt) {
        try (var pool = new KvPool(layout, blockCount)) {
            KvFixtures.write(pool, blocks, cached, prompt, 7);
            return KvFixtures.snapshot(pool);
        }
    }

    /** A rank of P whose virtual blocks lie at synthetic addresses; only slots of the prompt may be read. */
    private static final class SourceRank {
        private static final long BASE = 0x0000_7000_0000_0000L;

        final KvPool pool;
        final int prompt;
        final int firstVirtualId;

        private SourceRank(KvPool pool, int prompt, int firstVirtualId) {
            this.pool = pool;
            this.prompt = prompt;
            this.firstVirtualId = firstVirtualId;
        }

        static SourceRank holding(KvLayout layout, int prompt, SplittableRandom random) {
            var pool = new KvPool(layout, layout.blocksFor(prompt));
            pool.memory().fill((byte) 0x55); // what another request left in the unused slots
            KvFixtures.write(pool, IntStream.range(0, pool.blockCount()).toArray(), 0, prompt, 7);
            return new SourceRank(pool, prompt, random.nextInt(1 << 30));
        }

        long base(int plane) {
            return BASE + ((long) plane << 52);
        }

        TransferPlan.PeerSide source() {
            var bases = IntStream.range(0, pool.layout().planes().size())
                    .mapToObj(this::base)
                    .toList();
            long[] ids = IntStream.range(0, pool.blockCount())
                    .mapToLong(block -> firstVirtualId + block)
                    .toArray();
            return new TransferPlan.PeerSide(pool.layout(), bases, ids);
        }

        void copyTo(SpanBatch batch) {
            for (int span = 0; span < batch.spans(); span++) {
                int plane = (int) ((batch.remoteAddress(span) - BASE) >>> 52);
                long blockBytes = pool.layout().blockBytes(plane);
                long offset = batch.remoteAddress(span) - base(plane) - firstVirtualId * blockBytes;
                MemorySegment.copy(
                        pool.plane(plane).data(), offset, batch.local(), batch.localOffset(span), batch.bytes(span));
            }
        }

        @Override
        public String toString() {
            return Integer.toString(pool.layout().blockSize());
        }
    }

    @Test
    void shouldReadContiguousBlocksOfEqualLayoutsAsOneSpanAPlane() {
        KvLayout layout = KvFixtures.layout(16, 2, 3, 8);
        try (var pool = new KvPool(layout, 8)) {
            SpanBatch batch = planFrom(layout, pool, List.of(5, 6, 7), List.of(2, 3, 4), 0, 48);
            assertThat(batch.spans()).isEqualTo(4);
            assertThat(batch.totalBytes()).isEqualTo(3 * layout.blockBytes());
            assertThat(batch.remoteAddress(0)).isEqualTo(1_000_000 + 5 * layout.blockBytes(0));
            assertThat(batch.localOffset(0)).isEqualTo(2 * layout.blockBytes(0));
        }
    }

    @Test
    void shouldCutSpansWhereOneSideIsNotContiguous() {
        KvLayout layout = KvFixtures.layout(16, 1, 3, 8);
        try (var pool = new KvPool(layout, 8)) {
            assertThat(planFrom(layout, pool, List.of(5, 6, 7), List.of(2, 4, 5), 0, 48)
                            .spans())
                    .isEqualTo(4);
            assertThat(planFrom(layout, pool, List.of(7, 6, 5), List.of(2, 3, 4), 0, 48)
                            .spans())
                    .isEqualTo(6);
        }
    }

    @Test
    void shouldNotReadUnusedSlotsOfTheLastBlock() {
        KvLayout layout = KvFixtures.layout(16, 1, 3, 8);
        try (var pool = new KvPool(layout, 8)) {
            SpanBatch batch = planFrom(layout, pool, List.of(5, 6), List.of(2, 3), 0, 20);
            assertThat(batch.totalBytes()).isEqualTo(20 * layout.tokenBytes());
            assertThat(batch.spans())
                    .as("a whole block joined with head 0 of the next, then two heads")
                    .isEqualTo(2 * 3);
        }
    }

    @Test
    void shouldReadNothingWhenAllIsCached() {
        KvLayout layout = KvFixtures.layout(16, 1, 3, 8);
        try (var pool = new KvPool(layout, 8)) {
            assertThat(planFrom(layout, pool, List.of(5), List.of(2), 16, 16).spans())
                    .isZero();
        }
    }

    @Test
    void shouldNameTheFieldThatDiffers() {
        KvLayout here = KvFixtures.layout(16, 1, 4, 8);
        try (var pool = new KvPool(here, 8)) {
            assertRejected(
                    pool, KvFixtures.layout(16, 1, 2, 8), "model_heads of plane k.0 is 2 at the peer and 4 here");
            assertRejected(pool, KvFixtures.layout(16, 1, 4, 16), "head_dim of plane k.0 is 16 at the peer and 8 here");
            assertRejected(pool, KvFixtures.layout(16, 2, 4, 8), "the peer has a plane k.1");
            assertRejected(pool, KvFixtures.rank(16, 1, 8, 0, 3, 4), "no peer holds head 3 of plane k.0");
            assertRejected(
                    pool,
                    new KvLayout(16, List.of(new KvPlane("k.0", DType.F32, 4, 8, 0, 4))),
                    "dtype of plane k.0 is F32 at the peer and BF16 here");
            assertRejected(
                    pool,
                    new KvLayout(16, List.of(new KvPlane("k.0", DType.BF16, 4, 8, 0, 4))),
                    "no peer holds head 0 of plane v.0");
        }
    }

    private static void assertRejected(KvPool pool, KvLayout peer, String message) {
        assertThatThrownBy(() -> planFrom(peer, pool, List.of(1), List.of(2), 0, 16))
                .isInstanceOfSatisfying(
                        TransferException.class, e -> assertThat(e.kind()).isEqualTo(TransferException.Kind.REJECTED))
                .hasMessageContaining(message);
    }

    @Test
    void shouldRejectATicketWhoseBlocksDoNotFitThePrompt() {
        KvLayout layout = KvFixtures.layout(16, 1, 3, 8);
        try (var pool = new KvPool(layout, 8)) {
            for (List<Integer> ids : List.of(List.of(1), List.of(1, 2, 3))) {
                assertThatThrownBy(() -> planFrom(layout, pool, ids, List.of(2, 3), 0, 20))
                        .isInstanceOf(TransferException.class)
                        .hasMessageContaining("blocks of 16 tokens, but a prompt of 20 tokens has 2");
            }
        }
    }

    @Test
    void shouldRejectAddressesThatOverflow() {
        KvLayout layout = KvFixtures.layout(16, 1, 3, 8);
        try (var pool = new KvPool(layout, 8)) {
            var source =
                    new TransferPlan.PeerSide(layout, List.of(Long.MAX_VALUE - 10, Long.MAX_VALUE - 5), new long[] {3});
            assertThatThrownBy(() -> TransferPlan.between(
                                    List.of(source), targetOf(pool, new int[] {0}), TransferPlan.Local.TARGET)
                            .spans(0, new TransferPlan.Tokens(0, 16), pool.memory()))
                    .isInstanceOf(TransferException.class)
                    .hasMessageContaining("64 bits");
        }
    }

    @Test
    void shouldRejectAPeerWhoseBlocksAreSoSmallThatTheSpansExplode() {
        KvLayout here = KvFixtures.layout(4096, 40, 64, 1);
        KvLayout peer = KvFixtures.layout(1, 40, 64, 1);
        try (var arena = Arena.ofConfined()) {
            var memory = arena.allocate(here.blockBytes());
            var offsets = new ArrayList<Long>();
            long offset = 0;
            for (int plane = 0; plane < here.planes().size(); plane++) {
                offsets.add(offset);
                offset += here.blockBytes(plane);
            }
            var target = new TransferPlan.LocalSide(here, offsets, new int[] {0});
            long[] ids = IntStream.range(0, 4096).asLongStream().toArray();
            var bases =
                    IntStream.range(1, 81).mapToObj(plane -> plane * 1_000_000L).toList();
            assertThatThrownBy(() -> TransferPlan.between(
                                    List.of(new TransferPlan.PeerSide(peer, bases, ids)),
                                    target,
                                    TransferPlan.Local.TARGET)
                            .spans(0, new TransferPlan.Tokens(0, 4096), memory))
                    .isInstanceOf(TransferException.class)
                    .hasMessageContaining("need more than");
        }
    }

    private static SpanBatch planFrom(
            KvLayout peer, KvPool pool, List<Integer> remote, List<Integer> local, int cached, int prompt) {
        var bases = IntStream.range(1, peer.planes().size() + 1)
                .mapToObj(plane -> plane * 1_000_000L)
                .toList();
        var source = new TransferPlan.PeerSide(
                peer, bases, remote.stream().mapToLong(Integer::longValue).toArray());
        var target = targetOf(pool, local.stream().mapToInt(Integer::intValue).toArray());
        source.requireBlocks(prompt);
        return TransferPlan.between(List.of(source), target, TransferPlan.Local.TARGET)
                .spans(0, new TransferPlan.Tokens(cached, prompt), pool.memory());
    }
}
