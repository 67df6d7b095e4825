package dev.tandem.layer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tandem.checkpoint.ModelConfig.Llama3Scaling;
import dev.tandem.checkpoint.ModelConfig.Ramp;
import dev.tandem.checkpoint.ModelConfig.YarnScaling;
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
    void shouldStretchByYarnBetweenFastAndSlowWaves() {
        // the golden's 16 rotated values: dim(32) = 16 ln(64 / 64 pi) / (2 ln 10000) < 0, dim(1) = 2.02
        var scaling = new YarnScaling(8, 64, new Ramp(32, 1), 1, 0.8);
        double[] plain = RotaryFrequencies.plain(10_000, 16);
        double[] scaled = RotaryFrequencies.yarn(plain, 10_000, scaling);
        assertThat(scaled)
                .containsExactly(
                        new double[] {
                            plain[0],
                            plain[1] * (1 / 8.0 / 3 + 2 / 3.0),
                            plain[2] * (2 / 8.0 / 3 + 1 / 3.0),
                            plain[3] / 8,
                            plain[4] / 8,
                            plain[5] / 8,
                            plain[6] / 8,
                            plain[7] / 8
                        },
                        within(1e-15));
    }

    @Test
    void shouldScaleTablesAndScoresByYarnsMagnitudes() {
        var scaling = new YarnScaling(8, 64, new Ramp(32, 1), 1, 0.8);
        double all = 0.1 * 0.8 * Math.log(8) + 1;
        assertThat(RotaryFrequencies.yarnTableFactor(scaling)).isCloseTo((0.1 * Math.log(8) + 1) / all, within(1e-12));
        assertThat(RotaryFrequencies.yarnScoreFactor(scaling)).isCloseTo(all * all, within(1e-12));
        assertThat(RotaryFrequencies.yarnTableFactor(new YarnScaling(40, 4096, new Ramp(32, 1), 1, 1)))
                .isEqualTo(1);
    }

    @Test
    void shouldDivideByFactorsOfGguf() {
        assertThat(RotaryFrequencies.divided(new double[] {1, 0.5}, new float[] {1, 8}))
                .containsExactly(1, 0.0625);
    }
}
