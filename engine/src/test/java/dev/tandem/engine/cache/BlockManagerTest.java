package dev.tandem.engine.cache;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BlockManagerTest {
    private static final int BLOCK_SIZE = 4;

    private final BlockManager blocks = new BlockManager(8, BLOCK_SIZE, true);

    @Test
    void shouldGiveOutEachBlockOnceAndTakeAllBack() {
        BlockTable one = allocate(tokens(20), 0);
        BlockTable two = allocate(tokens(12), 0);

        var ids = new ArrayList<Integer>();
        IntStream.concat(IntStream.of(one.blockIds()), IntStream.of(two.blockIds()))
                .forEach(ids::add);
        assertThat(ids).hasSize(8).doesNotHaveDuplicates();
        assertThat(blocks.freeBlocks()).isZero();
        assertThat(blocks.canAllocate(new BlockTable(), 0, 1, 0)).isFalse();
        assertThat(blocks.checkIntegrity(List.of(one, two))).isEmpty();
        blocks.release(one);
        blocks.release(two);
        assertThat(blocks.freeBlocks()).isEqualTo(8);
        assertThat(blocks.checkIntegrity(List.of())).isEmpty();
    }

    @Test
    void shouldFindFullBlocksOfAPrefixAgain() {
        int[] tokens = tokens(10);
        BlockTable first = allocate(tokens, 0);
        blocks.register(first, tokens, 10);

        var second = new BlockTable();
        assertThat(blocks.countCached(second, tokens, 10)).isEqualTo(2);
        blocks.allocate(second, 2, 3);

        assertThat(second.blockIds()).startsWith(first.blockIds()[0], first.blockIds()[1]);
        assertThat(second.blockIds()[2]).isNotEqualTo(first.blockIds()[2]);
        assertThat(blocks.freeBlocks()).isEqualTo(4);
        blocks.release(first);
        assertThat(blocks.freeBlocks()).isEqualTo(5);
        assertThat(blocks.cachedBlocks()).isZero();
        assertThat(blocks.checkIntegrity(List.of(second))).isEmpty();
        blocks.release(second);
        assertThat(blocks.cachedBlocks()).isEqualTo(2);
    }

    @Test
    void shouldNotFindABlockBehindAnotherPrefix() {
        int[] tokens = tokens(8);
        BlockTable first = allocate(tokens, 0);
        blocks.register(first, tokens, 8);
        int[] other = tokens.clone();
        other[0]++;

        assertThat(blocks.countCached(new BlockTable(), other, 8)).isZero();
        other = tokens.clone();
        other[7]++;
        assertThat(blocks.countCached(new BlockTable(), other, 8)).isOne();
    }

    @Test
    void shouldNotFindWhatIsNotComputedYet() {
        int[] tokens = tokens(12);
        BlockTable first = allocate(tokens, 0);
        blocks.register(first, tokens, 7);

        assertThat(blocks.countCached(new BlockTable(), tokens, 12)).isOne();
        blocks.register(first, tokens, 12);
        assertThat(blocks.countCached(new BlockTable(), tokens, 12)).isEqualTo(3);
    }

    @Test
    void shouldEvictTheLeastRecentlyUsedAndLastBlocksOfAPrefixFirst() {
        int[] old = tokens(8);
        int[] young = IntStream.range(100, 108).toArray();
        BlockTable first = allocate(old, 0);
        BlockTable second = allocate(young, 0);
        blocks.register(first, old, 8);
        blocks.register(second, young, 8);
        blocks.release(first);
        blocks.release(second);
        assertThat(blocks.cachedBlocks()).isEqualTo(4);

        BlockTable filler = allocate(IntStream.range(200, 220).toArray(), 0); // 4 blank blocks and one eviction

        assertThat(blocks.countCached(new BlockTable(), old, 8)).isOne();
        assertThat(blocks.countCached(new BlockTable(), young, 8)).isEqualTo(2);
        blocks.extend(filler);
        assertThat(blocks.countCached(new BlockTable(), old, 8)).isZero();
        blocks.extend(filler);
        assertThat(blocks.countCached(new BlockTable(), young, 8)).isOne();
        assertThat(blocks.cachedBlocks()).isOne();
    }

    @Test
    void shouldCountCachedBlocksThatNobodyOwnsAsTaken() {
        int[] tokens = tokens(8);
        BlockTable first = allocate(tokens, 0);
        blocks.register(first, tokens, 8);
        blocks.release(first);
        allocate(IntStream.range(100, 124).toArray(), 0); // six more: two are left, both cached
        var next = new BlockTable();
        int cached = blocks.countCached(next, tokens, 8);

        assertThat(cached).isEqualTo(2);
        assertThat(blocks.canAllocate(next, 2, 2, 0)).isTrue();
        assertThat(blocks.canAllocate(next, 2, 2, 1)).isFalse();
        assertThat(blocks.canAllocate(next, 2, 3, 0)).isFalse();
    }

    @Test
    void shouldFindNothingWhenPrefixesAreNotCached() {
        var plain = new BlockManager(8, BLOCK_SIZE, false);
        int[] tokens = tokens(8);
        var table = new BlockTable();
        plain.allocate(table, 0, 2);
        plain.register(table, tokens, 8);

        assertThat(plain.countCached(new BlockTable(), tokens, 8)).isZero();
        plain.release(table);
        assertThat(plain.cachedBlocks()).isZero();
    }

    @Test
    void shouldNameBlocksWithoutTheirOwners() {
        BlockTable table = allocate(tokens(8), 0);

        assertThat(blocks.checkIntegrity(List.of()))
                .hasSize(2)
                .allMatch(line -> line.contains("1 references, 0 owners"));
        assertThat(blocks.checkIntegrity(List.of(table, table))).hasSize(2);
    }

    @Test
    void shouldRefuseToGiveWhatItDoesNotHave() {
        BlockTable table = allocate(tokens(32), 0);

        assertThatThrownBy(() -> blocks.extend(table)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void shouldStayInOrderThroughRandomUse() {
        var random = new SplittableRandom(7);
        var many = new BlockManager(40, BLOCK_SIZE, true);
        var tables = new ArrayList<BlockTable>();
        for (int i = 0; i < 2_000; i++) {
            int[] tokens = IntStream.range(0, 1 + random.nextInt(30))
                    .map(t -> t / 9 * random.nextInt(2))
                    .toArray();
            var table = new BlockTable();
            int cached = many.countCached(table, tokens, tokens.length);
            int wanted = many.blocksFor(tokens.length);
            if (many.canAllocate(table, cached, wanted, 0)) {
                many.allocate(table, cached, wanted);
                many.register(table, tokens, tokens.length);
                tables.add(table);
            }
            if (random.nextBoolean() && !tables.isEmpty()) {
                many.release(tables.remove(random.nextInt(tables.size())));
            }
            assertThat(many.checkIntegrity(tables)).isEmpty();
        }
    }

    private BlockTable allocate(int[] tokens, int cached) {
        var table = new BlockTable();
        blocks.allocate(table, cached, blocks.blocksFor(tokens.length));
        return table;
    }

    private static int[] tokens(int count) {
        return IntStream.range(0, count).toArray();
    }
}
