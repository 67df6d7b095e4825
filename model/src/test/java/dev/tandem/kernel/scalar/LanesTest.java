package dev.tandem.kernel.scalar;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LanesTest {
    private static final float BIG = 1e8f;

    @Test
    void shouldAddValuesOfOneLaneBeforeTheTree() {
        var values = new float[32];
        values[0] = BIG; // lane 0
        values[1] = 1f; // lane 1: lost when it meets lane 0 in the tree
        values[16] = -BIG; // lane 0 again: cancels before the tree
        assertThat(Lanes.sum(values, 0, 32, new float[16])).isEqualTo(1f);
    }

    @Test
    void shouldFoldLaneEightOntoLaneZeroFirst() {
        var values = new float[16];
        values[0] = BIG;
        values[8] = -BIG;
        values[1] = 1f;
        values[9] = 2f;
        assertThat(Lanes.sum(values, 0, 16, new float[16])).isEqualTo(3f);
        values[9] = 0f;
        values[8] = 0f;
        values[1] = -BIG;
        values[9] = 3f; // joins -BIG in lane 1 before lanes 0 and 1 meet, and is rounded there
        assertThat(Lanes.sum(values, 0, 16, new float[16])).isEqualTo(BIG + (-BIG + 3f));
    }

    @Test
    void shouldFuseMultiplicationAndAddition() {
        float a = 1f + 0x1p-12f;
        var x = new float[17];
        x[0] = a;
        x[16] = 1f;
        var y = new float[17];
        y[0] = a;
        y[16] = -1f;
        float fused = Math.fma(1f, -1f, a * a); // one lane: first product, then the second fused onto it
        assertThat(Lanes.dot(x, 0, y, 0, 17, new float[16])).isEqualTo(fused);
    }

    @Test
    void shouldGiveZeroForNothing() {
        assertThat(Lanes.dot(new float[0], 0, new float[0], 0, 0, new float[16]))
                .isEqualTo(0f);
    }
}
