package dev.tandem.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BestPositionsTest {
    private static int[] select(float[] scores, int k) {
        var padded = new float[scores.length + 3];
        System.arraycopy(scores, 0, padded, 3, scores.length);
        var out = new int[k + 2];
        BestPositions.select(padded, 3, scores.length, k, out, 2, new int[BestPositions.HISTOGRAM]);
        return IntStream.range(2, k + 2).map(i -> out[i]).toArray();
    }

    /** Best first, of equal ones the lowest first; then ascending. */
    private static int[] sorted(float[] scores, int k) {
        return IntStream.range(0, scores.length)
                .boxed()
                .sorted(Comparator.<Integer>comparingDouble(i -> -(double) (scores[i] + 0f))
                        .thenComparing(Comparator.naturalOrder()))
                .limit(k)
                .mapToInt(Integer::intValue)
                .sorted()
                .toArray();
    }

    @Test
    void shouldTakeLargestInAscendingPositions() {
        assertThat(select(new float[] {-1, 5, 0.5f, -7, 5.5f, 2}, 3)).containsExactly(1, 4, 5);
    }

    @Test
    void shouldTakeLowestPositionsOfEqualScores() {
        assertThat(select(new float[] {1, 0, 0, 2, 0, 0}, 4)).containsExactly(0, 1, 2, 3);
        assertThat(select(new float[] {-0f, 0, -0f, -1, 0}, 2)).containsExactly(0, 1);
        assertThat(select(new float[5], 4)).containsExactly(0, 1, 2, 3);
    }

    @Test
    void shouldOrderInfinitiesAndSubnormals() {
        float[] scores = {
            Float.NEGATIVE_INFINITY, -Float.MIN_VALUE, 0, Float.MIN_VALUE, Float.MAX_VALUE, Float.POSITIVE_INFINITY
        };
        for (int k = 1; k < scores.length; k++) {
            assertThat(select(scores, k))
                    .containsExactly(
                            IntStream.range(scores.length - k, scores.length).toArray());
        }
    }

    @Test
    void shouldTakeAsManyAsAskedAlsoOfNoNumbers() {
        float[] scores = {Float.NaN, 1, Float.NaN, 3, Float.intBitsToFloat(0xFFC00001)};
        assertThat(select(scores, 4)).containsExactly(0, 2, 3, 4);
    }

    @Test
    void shouldAgreeWithSorting() {
        var random = new Random(7);
        for (int round = 0; round < 200; round++) {
            var scores = new float[2 + random.nextInt(300)];
            for (int i = 0; i < scores.length; i++) {
                scores[i] = (float) (random.nextGaussian() * (random.nextInt(3) == 0 ? 0 : 1e-3 + random.nextInt(4)));
            }
            int k = 1 + random.nextInt(scores.length - 1);
            assertThat(select(scores, k)).as("round %d", round).containsExactly(sorted(scores, k));
        }
    }
}
