package dev.tandem.kernel.scalar;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ExpTest {
    @Test
    void shouldStayWithinOneAndAHalfUlpOfTheTrueValue() {
        double worst = 0;
        for (float x = Exp.LOWEST; x <= Exp.HIGHEST; x += 0.00037f) {
            double truth = StrictMath.exp(x);
            worst = Math.max(worst, Math.abs(Exp.of(x) - truth) / Math.ulp((float) truth));
        }
        assertThat(worst).isLessThan(1.5);
    }

    @Test
    void shouldBeOneAtZero() {
        assertThat(Exp.of(0f)).isEqualTo(1f);
        assertThat(Exp.of(-0f)).isEqualTo(1f);
    }

    @Test
    void shouldClampOutsideItsRange() {
        assertThat(Exp.of(-87.4f)).isEqualTo(0f);
        assertThat(Exp.of(Float.NEGATIVE_INFINITY)).isEqualTo(0f);
        assertThat(Exp.of(-Float.MAX_VALUE)).isEqualTo(0f);
        assertThat(Exp.of(89f)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(Exp.of(Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(Exp.of(Float.MAX_VALUE)).isEqualTo(Float.POSITIVE_INFINITY);
        assertThat(Exp.of(Float.NaN)).isNaN();
    }
}
