package dev.tandem.parallel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.kernel.Matrix;
import java.util.LinkedHashMap;
import org.junit.jupiter.api.Test;

class RankTest {
    @Test
    void shouldOwnConsecutiveEqualParts() {
        assertThat(new Rank(0, 4, 0, 1).shard(128)).isEqualTo(new Shard(0, 32));
        assertThat(new Rank(3, 4, 0, 1).shard(128)).isEqualTo(new Shard(96, 128));
        assertThatThrownBy(() -> new Rank(0, 3, 0, 1).shard(128)).hasMessage("128 cannot be cut into 3 equal parts");
    }

    @Test
    void shouldReplicateKvHeadsWhenRanksOutnumberThem() {
        assertThat(new Rank(1, 2, 0, 1).shardOfKvHeads(4)).isEqualTo(new Shard(2, 4));
        assertThat(new Rank(3, 8, 0, 1).shardOfKvHeads(4)).isEqualTo(new Shard(1, 2));
        assertThat(new Rank(7, 8, 0, 1).shardOfKvHeads(4)).isEqualTo(new Shard(3, 4));
        assertThatThrownBy(() -> new Rank(0, 6, 0, 1).shardOfKvHeads(4)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void shouldNameSizesThatFit() {
        var sizes = new LinkedHashMap<String, Integer>();
        sizes.put("query heads", 6);
        sizes.put("hidden size", 128);
        var partition = new Partition(sizes, 2);
        assertThat(partition.allowedSizes()).containsExactly(1, 2);
        assertThatThrownBy(() -> partition.require(4))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tensor parallel size 4 does not fit query heads 6; sizes that fit: [1, 2]");
        assertThatThrownBy(() -> partition.require(3))
                .hasMessage("tensor parallel size 3 does not fit hidden size 128, KV heads 2; sizes that fit: [1, 2]");
    }

    @Test
    void shouldAllowMoreRanksThanKvHeads() {
        var sizes = new LinkedHashMap<String, Integer>();
        sizes.put("query heads", 8);
        assertThat(new Partition(sizes, 2).allowedSizes()).containsExactly(1, 2, 4, 8);
    }

    @Test
    void shouldGatherInGroupOfOne() {
        Matrix part = Matrix.of(2, 3);
        part.values()[4] = 5;
        Matrix whole = Matrix.of(2, 3);
        TensorGroup.single().member(0).allGather(part, 2, 3, whole);
        assertThat(whole.values()).containsExactly(0, 0, 0, 0, 5, 0);
    }

    @Test
    void shouldNotTakeScratchTwiceInGroupOfOne() {
        GatherBuffer alone = GatherBuffer.of(Rank.SINGLE, 2, 6);
        assertThat(alone.part()).isSameAs(alone.whole());
        GatherBuffer shared = GatherBuffer.of(new Rank(1, 3, 0, 1), 2, 6);
        assertThat(shared.part().columns()).isEqualTo(2);
        assertThat(shared.whole().columns()).isEqualTo(6);
    }
}
