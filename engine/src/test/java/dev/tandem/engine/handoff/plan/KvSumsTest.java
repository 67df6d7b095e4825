package dev.tandem.engine.handoff.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.handoff.plan.TransferPlan.Tokens;
import dev.tandem.kv.KvLayout;
import dev.tandem.kv.KvPool;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KvSumsTest {
    private static final int PROMPT = 75;
    private static final int POOL_BLOCKS = 24;

    private final SplittableRandom random = new SplittableRandom(3);
    private final List<KvPool> opened = new ArrayList<>();

    @AfterEach
    void close() {
        opened.forEach(KvPool::close);
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 16", "4, 1, 8", "1, 4, 32", "8, 2, 16", "2, 8, 24"})
    void shouldAgreeHoweverTheTwoSidesLayBlocksOut(int senderSize, int receiverSize, int receiverBlockSize) {
        agree(KvFixtures.heads(senderSize, 16), KvFixtures.heads(receiverSize, receiverBlockSize));
        agree(KvFixtures.latents(senderSize, 16), KvFixtures.latents(receiverSize, receiverBlockSize));
    }

    private void agree(List<KvLayout> sender, List<KvLayout> receiver) {
        var tokens = new Tokens(48, PROMPT);
        int[] there = KvFixtures.scattered(10, POOL_BLOCKS, random);
        int[] here = KvFixtures.scattered(10, POOL_BLOCKS, random);
        List<Integer> expected = KvSums.of(receiver, holding(sender, there, 0), there, tokens);
        assertThat(expected).hasSize(receiver.size());
        assertThat(KvSums.of(holding(receiver, here, 48), here, tokens)).isEqualTo(expected);
    }

    @Test
    void shouldChangeWithEachByteThatWasAskedForAndWithNoOther() {
        KvLayout layout = KvFixtures.layout(16, 2, 2, 8);
        int[] blocks = {3, 1, 4, 2, 0};
        KvPool pool = holding(List.of(layout), blocks, 0).getFirst();
        var tokens = new Tokens(16, PROMPT);
        List<Integer> before = KvSums.of(List.of(pool), blocks, tokens);
        for (long at = 0; at < layout.blockBytes() * POOL_BLOCKS; at += 7) {
            byte old = pool.memory().get(ValueLayout.JAVA_BYTE, at);
            pool.memory().set(ValueLayout.JAVA_BYTE, at, (byte) (old + 1));
            long inPlane = at % (layout.blockBytes(0) * POOL_BLOCKS);
            int index = indexOf(blocks, (int) (inPlane / layout.blockBytes(0)));
            int slot = (int) (inPlane / KvFixtures.headBytes(layout.planes().getFirst()) % layout.blockSize());
            boolean isAsked = index >= 1 && index * layout.blockSize() + slot < PROMPT;
            assertThat(KvSums.of(List.of(pool), blocks, tokens).equals(before))
                    .as("byte %d", at)
                    .isEqualTo(!isAsked);
            pool.memory().set(ValueLayout.JAVA_BYTE, at, old);
        }
    }

    @Test
    void shouldTellAHeadInTheWrongPlace() {
        KvLayout layout = KvFixtures.layout(16, 1, 2, 8);
        int[] blocks = {0, 1, 2, 3, 4};
        var tokens = new Tokens(0, PROMPT);
        KvPool right = holding(List.of(layout), blocks, 0).getFirst();
        int[] swapped = {1, 0, 2, 3, 4};
        assertThat(KvSums.of(List.of(right), swapped, tokens)).isNotEqualTo(KvSums.of(List.of(right), blocks, tokens));
    }

    @Test
    void shouldRefuseAHeadThatNobodyHolds() {
        KvLayout half = KvFixtures.heads(2, 16).getFirst();
        int[] blocks = {0, 1, 2, 3, 4};
        List<KvPool> sender = holding(List.of(half), blocks, 0);
        assertThatThrownBy(() -> KvSums.of(KvFixtures.heads(1, 16), sender, blocks, new Tokens(0, PROMPT)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no rank holds head");
    }

    private static int indexOf(int[] blocks, int block) {
        for (int index = 0; index < blocks.length; index++) {
            if (blocks[index] == block) {
                return index;
            }
        }
        return -1;
    }

    private List<KvPool> holding(List<KvLayout> layouts, int[] blocks, int from) {
        var pools = new ArrayList<KvPool>();
        for (KvLayout layout : layouts) {
            var pool = new KvPool(layout, POOL_BLOCKS);
            KvFixtures.write(pool, blocks, from, PROMPT, 5);
            pools.add(pool);
        }
        opened.addAll(pools);
        return pools;
    }
}
