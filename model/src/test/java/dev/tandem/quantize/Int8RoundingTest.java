package dev.tandem.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.kernel.DType;
import dev.tandem.kernel.scalar.StoredValues;
import dev.tandem.kernel.scalar.TestData;
import org.junit.jupiter.api.Test;

class Int8RoundingTest {
    private static byte[] rounded(float scale, float... row) {
        var q = new byte[row.length];
        Int8Rounding.round(row, row.length, scale, q);
        return q;
    }

    private static float scale(DType storedType, float... row) {
        return Int8Rounding.scale(row, row.length, storedType);
    }

    @Test
    void shouldScaleTheLargestWeightTo127() {
        assertThat(scale(DType.F32, 1f, -254f, 3f)).isEqualTo(2f);
        assertThat(rounded(2f, 1f, -254f, 254f, 6f)).containsExactly(0, -127, 127, 3);
    }

    @Test
    void shouldRoundHalvesToEven() {
        assertThat(rounded(1f, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f)).containsExactly(0, 2, 2, 0, -2, -2);
    }

    @Test
    void shouldKeepRowsOfZeros() {
        assertThat(scale(DType.F32, 0f, -0f)).isEqualTo(1e-12f);
        assertThat(rounded(1e-12f, 0f, -0f)).containsExactly(0, 0);
    }

    @Test
    void shouldRoundWithTheScaleAsStored() {
        float stored = scale(DType.BF16, 1f);
        assertThat(stored).isEqualTo(StoredValues.fromBfloat16(StoredValues.toBfloat16(1f / 127)));
        assertThat(stored).isLessThan(1f / 127);
        assertThat(rounded(stored, 1f, -1f)).containsExactly(127, -127);
        assertThat(rounded(1f / 140, 1f, -1f)).containsExactly(127, -128);
    }

    @Test
    void shouldTellRowsThatAreNotFinite() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            assertThat(scale(DType.F32, 1f, bad)).isNaN();
            assertThat(scale(DType.BF16, bad, 1f)).isNaN();
        }
    }

    @Test
    void shouldErrByHalfAStepAtMost() {
        var row = new TestData(9).matrix(1, 501).values();
        float scale = scale(DType.F32, row);
        byte[] q = rounded(scale, row);
        for (int i = 0; i < row.length; i++) {
            assertThat(Math.abs(row[i] - q[i] * (double) scale)).isLessThanOrEqualTo(0.5000001 * scale);
        }
    }
}
