package dev.tandem.engine.handoff.lease;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tandem.engine.handoff.KvFixtures;
import dev.tandem.engine.request.EngineException;
import dev.tandem.kv.KvLayout;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class AddressSpaceTest {
    private static final int BLOCKS = 4096;

    /** Eight ranks of 64 planes with blocks of 15 KiB each: 7.5 MiB of block bytes. */
    @Test
    void shouldLeaveFortyBitsForEightRanksOf64Planes() {
        KvLayout rank = KvFixtures.layout(15, 32, 1, 512);
        assertThat(rank.planes()).hasSize(64);
        assertThat(AddressSpace.of(Collections.nCopies(8, rank), BLOCKS).bits()).isEqualTo(40);
    }

    @Test
    void shouldLeaveWhatTheWireHasRoomFor() {
        KvLayout huge = KvFixtures.layout(128, 128, 128, 512);
        List<KvLayout> ranks = Collections.nCopies(4, huge);
        AddressSpace space = AddressSpace.of(ranks, BLOCKS);
        assertThat(space.bits()).isGreaterThanOrEqualTo(AddressSpace.LEAST_BITS);
        long next = AddressSpace.drawFirstAddress(new SplittableRandom(1));
        for (KvLayout rank : ranks) {
            List<Long> addresses = space.planeAddresses(rank, next);
            assertThat(addresses)
                    .isSorted()
                    .allSatisfy(address -> assertThat(address).isPositive());
            next = space.endOf(rank, next);
            assertThat(next).isGreaterThan(addresses.getLast() + space.idCount() * rank.blockBytes(0));
        }
    }

    @Test
    void shouldFitWhereverTheFirstPlaneBegins() {
        List<KvLayout> ranks = Collections.nCopies(8, KvFixtures.layout(16, 32, 2, 128));
        AddressSpace space = AddressSpace.of(ranks, BLOCKS);
        long next = AddressSpace.MOST_FIRST_ADDRESS;
        for (KvLayout rank : ranks) {
            next = space.endOf(rank, next);
        }
        assertThat(next).isPositive();
        assertThatThrownBy(() -> moreThanFit(space, ranks.getFirst()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("no addresses left");
    }

    private static void moreThanFit(AddressSpace space, KvLayout layout) {
        long next = AddressSpace.LEAST_FIRST_ADDRESS;
        for (int pool = 0; pool < 20; pool++) {
            next = space.endOf(layout, next);
        }
    }

    @Test
    void shouldRefuseAShapeThatLeavesTooFewBits() {
        List<KvLayout> ranks = Collections.nCopies(64, KvFixtures.layout(4096, 128, 128, 512));
        assertThatThrownBy(() -> AddressSpace.of(ranks, BLOCKS))
                .isInstanceOf(EngineException.class)
                .hasMessageContainingAll("64 ranks", "random bits", "28 are needed", "--block-size");
    }

    /** Whoever tries one id after the other finds one of all blocks after idCount / (blocks + 1) tries on average. */
    @Test
    void shouldMakeGuessesSoRareThatOneTakesAYear() {
        KvLayout layout = KvFixtures.layout(128, 128, 128, 512);
        for (int blocks : new int[] {1, 1_000, 1_000_000}) {
            AddressSpace space = AddressSpace.of(List.of(layout), blocks);
            double tries = space.idCount() / (blocks + 1.0);
            assertThat(tries * space.guessInterval().toSeconds())
                    .isGreaterThan(Duration.ofDays(365).toSeconds());
            assertThat(space.guessInterval()).isGreaterThanOrEqualTo(Duration.ofSeconds(55));
        }
    }

    @Test
    void shouldGiveNoIdThatAReaderOfJsonTakesForAnotherOne() {
        AddressSpace space = AddressSpace.of(List.of(KvFixtures.layout(1, 1, 1, 8)), BLOCKS);
        assertThat(space.idCount()).isLessThanOrEqualTo(1L << 53);
    }
}
