package dev.tandem.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class RotaryTablesTest {
    private final RotaryTables tables = new RotaryTables();

    @Test
    void shouldMakeOneTableForAllRanks() {
        RotaryTable first = tables.of(new double[] {1, 0.1}, 10, 2);
        assertThat(first.cosines())
                .isEqualTo(RotaryTable.of(new double[] {1, 0.1}, 10, 2).cosines());
        assertThat(tables.of(new double[] {1, 0.1}, 10, 2)).isSameAs(first);
    }

    @Test
    void shouldNotMixUpDifferentEmbeddings() {
        RotaryTable first = tables.of(new double[] {1, 0.1}, 10, 1);
        assertThat(tables.of(new double[] {1, 0.2}, 10, 1)).isNotSameAs(first);
        assertThat(tables.of(new double[] {1, 0.1}, 11, 1)).isNotSameAs(first);
        assertThat(tables.of(new double[] {1, 0.1}, 10, 2)).isNotSameAs(first);
        assertThat(tables.of(new double[] {1, 0.1}, 10, 1)).isSameAs(first);
    }
}
