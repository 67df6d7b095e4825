package dev.tandem.engine.cache;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import org.junit.jupiter.api.Test;

class PrefixIndexTest {
    private final PrefixIndex index = new PrefixIndex(4);

    @Test
    void shouldFindABlockUntilItIsRemoved() {
        var hash = new BlockHash(1, 2, 3, 4);
        index.add(hash, 2);

        assertThat(index.find(new BlockHash(1, 2, 3, 4))).isEqualTo(2);
        assertThat(index.contains(2)).isTrue();
        index.remove(2);
        assertThat(index.find(hash)).isEqualTo(PrefixIndex.NOT_CACHED);
        assertThat(index.contains(2)).isFalse();
    }

    @Test
    void shouldTellHashesApartThatShareTheirFirstWords() {
        index.add(new BlockHash(1, 2, 3, 4), 0);

        assertThat(index.find(new BlockHash(1, 2, 3, 5))).isEqualTo(PrefixIndex.NOT_CACHED);
    }

    @Test
    void shouldKeepTheFirstOfTwoBlocksWithTheSameContent() {
        var hash = new BlockHash(1, 2, 3, 4);
        index.add(hash, 0);
        index.add(hash, 1);

        assertThat(index.find(hash)).isZero();
        assertThat(index.contains(1)).isFalse();
        index.remove(1);
        assertThat(index.find(hash)).isZero();
        assertThat(index.size()).isOne();
    }

    @Test
    void shouldChainHashesOverAllTokensBefore() {
        var maker = new BlockHash.Maker(2);
        var seen = new HashSet<BlockHash>();
        BlockHash one = maker.next(BlockHash.ROOT, new int[] {1, 2}, 0);
        seen.add(one);
        seen.add(maker.next(one, new int[] {1, 2}, 0));
        seen.add(maker.next(BlockHash.ROOT, new int[] {2, 1}, 0));
        seen.add(maker.next(BlockHash.ROOT, new int[] {1 << 8, 2}, 0));

        assertThat(seen).hasSize(4);
        assertThat(maker.next(BlockHash.ROOT, new int[] {9, 1, 2}, 1)).isEqualTo(one);
    }
}
