package dev.tandem.engine.cluster.expert;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExpertDistributionTest {
    @Test
    void shouldGiveEveryExpertOneOwnerAndAboutAsManyToEach() {
        for (int experts = 1; experts <= 40; experts++) {
            for (int ranks = 1; ranks <= 50; ranks++) {
                var distribution = new ExpertDistribution(experts, ranks);
                int next = 0;
                for (int rank = 0; rank < ranks; rank++) {
                    int size = distribution.firstOf(rank + 1) - distribution.firstOf(rank);
                    assertThat(size).isBetween(experts / ranks, Math.ceilDiv(experts, ranks));
                    assertThat(distribution.firstOf(rank)).isEqualTo(next);
                    assertThat(distribution.areOwners(rank, rank + 1)).isEqualTo(size > 0);
                    next += size;
                }
                assertThat(next).isEqualTo(experts);
            }
        }
    }

    @Test
    void shouldLeaveSurplusRanksWithout() {
        var distribution = new ExpertDistribution(64, 100);
        assertThat(distribution.firstOf(64)).isEqualTo(64);
        assertThat(distribution.firstOf(100)).isEqualTo(64);
    }
}
