package dev.tandem.transfer.tcp;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PaceTest {
    private static final long GIGABIT = 125_000_000; // bytes per second
    private static final long MILLISECOND = 1_000_000; // ns

    @Test
    void shouldLetGoWhatTheTimeBrought() {
        Pace pace = new Pace(GIGABIT, 100);
        assertThat(pace.allowance(100)).isZero();
        assertThat(pace.holdsBack(100)).isTrue();
        assertThat(pace.allowance(100 + MILLISECOND)).isEqualTo(125_000);
        pace.spend(100_000);
        assertThat(pace.allowance(100 + MILLISECOND)).isEqualTo(25_000);
        assertThat(pace.holdsBack(100 + MILLISECOND)).isFalse();
        pace.spend(25_000);
        assertThat(pace.holdsBack(100 + MILLISECOND)).isTrue();
        assertThat(pace.resumeNs(100 + MILLISECOND)).isEqualTo(100 + 2 * MILLISECOND);
    }

    @Test
    void shouldNotSaveMoreThanAFewMillisecondsBring() {
        Pace pace = new Pace(GIGABIT, 0);
        assertThat(pace.allowance(1_000 * MILLISECOND)).isEqualTo(500_000);
    }

    @Test
    void shouldBringItsRateOverALongTime() {
        Pace pace = new Pace(GIGABIT, 0);
        long spent = 0;
        for (long nowNs = 0; nowNs <= 1_000 * MILLISECOND; nowNs += MILLISECOND / 3) {
            long allowed = pace.allowance(nowNs);
            pace.spend(allowed);
            spent += allowed;
        }
        assertThat(spent).isBetween(GIGABIT * 99 / 100, GIGABIT);
    }

    @Test
    void shouldHoldNothingBackWithoutABound() {
        Pace pace = new Pace(0, 0);
        pace.spend(1L << 60);
        assertThat(pace.allowance(1)).isEqualTo(Long.MAX_VALUE);
        assertThat(pace.holdsBack(1)).isFalse();
    }
}
