package dev.tandem.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import org.junit.jupiter.api.Test;

class RotaryFrequenciesTest {
    @Test
    void shouldFallGeometrically() {
        assertThat(RotaryFrequencies.plain(10_000, 8))
                .containsExactly(new double[] {1, 0.1, 0.01, 0.001}, within(1e-15));
    }

    @Test
    void shouldStretchLongWavesAndBlendBetween() {
        // wavelengths 2 pi / inverse: 6.28, 62.8, 628; original 64 positions, so borders lie at 16 and 64
        var scaling = new Llama3Scaling(8, 1, 4, 64);
        double[] scaled = RotaryFrequencies.llama3(new double[] {1, 0.2, 0.01}, scaling);
        double smooth = (64 / (2 * Math.PI / 0.2) - 1) / 3;
        assertThat(scaled)
                .containsExactly(new double[] {1, (1 - smooth) * 0.2 / 8 + smooth * 0.2, 0.01 / 8}, within(1e-15));
    }

    @Test
    void shouldDivideByFactorsOfGguf() {
        assertThat(RotaryFrequencies.divided(new double[] {1, 0.5}, new float[] {1, 8}))
                .containsExactly(1, 0.0625);
    }
}
