package dev.tandem.engine.cluster.expert;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExpertSpreadTest {
    @Test
    void shouldGiveEveryExpertOneOwnerAndAboutAsManyToEach() {
        for (int experts = 1; experts <= 40; experts++) {
            for (int ranks = 1; ranks <= 50; ranks++) {
                var spread = new ExpertSpread(experts, ranks);
                int next = 0;
                for (int rank = 0; rank < ranks; rank++) {
                    int size = spread.firstOf(rank + 1) - spread.firstOf(rank);
                    assertThat(size).isBetween(experts / ranks, Math.ceilDiv(experts, ranks));
                    assertThat(spread.firstOf(rank)).isEqualTo(next);
                    assertThat(spread.areOwners(rank, rank + 1)).isEqualTo(size > 0);
                    next += size;
                }
                assertThat(next).isEqualTo(experts);
            }
        }
    }

    @Test
    void shouldLeaveSurplusRanksWithout() {
        var spread = new ExpertSpread(64, 100);
        assertThat(spread.firstOf(64)).isEqualTo(64);
        assertThat(spread.firstOf(100)).isEqualTo(64);
    }
}
