package dev.tandem.layer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tandem.checkpoint.ModelConfig.DenseParts;
import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.Shard;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class ExpertChoiceTest {
    private static final Matrix PROBABILITIES = new Matrix(
            new float[] {0.1f, 0.4f, 0.1f, 0.4f, 0.25f, 0.25f, 0.25f, 0.25f, 0.7f, 0.1f, 0.05f, 0.15f}, 3, 4);

    @Test
    void shouldTakeLargestAndLowestIndexOfEquals() {
        var choice = choice(false);
        choice.choose(PROBABILITIES, new float[4], new Shard(0, 3));
        assertThat(choice.chosenOf(0)).containsExactly(1, 3);
        assertThat(choice.chosenOf(1)).containsExactly(0, 1);
        assertThat(choice.chosenOf(2)).containsExactly(0, 3);
        assertThat(choice.weightsOf(2)).containsExactly(0.7f, 0.15f);
    }

    @Test
    void shouldDivideByTheirSumOnlyWhereAsked() {
        var choice = choice(true);
        choice.choose(PROBABILITIES, new float[4], new Shard(0, 3));
        assertThat(choice.weightsOf(0)).containsExactly(0.5f, 0.5f);
        assertThat(choice.weightsOf(2)).containsExactly(0.7f / (0.7f + 0.15f), 0.15f / (0.7f + 0.15f));
    }

    @Test
    void shouldListRowsOfAnExpertAscending() {
        var choice = choice(false);
        choice.choose(PROBABILITIES, new float[4], new Shard(0, 3));
        assertThat(choice.rowCount(0)).isEqualTo(2);
        assertThat(Arrays.copyOf(choice.rowsOf(0), choice.rowCount(0))).containsExactly(1, 2);
        assertThat(choice.row(0, 1)).isEqualTo(2);
        assertThat(choice.weight(0, 1)).isEqualTo(0.7f);
        assertThat(choice.rowCount(2)).isZero();
    }

    @Test
    void shouldForgetTheLastPass() {
        var choice = choice(false);
        choice.choose(PROBABILITIES, new float[4], new Shard(0, 3));
        choice.choose(PROBABILITIES, new float[4], new Shard(0, 1));
        assertThat(choice.rowCount(0)).isZero();
        assertThat(choice.rowCount(1)).isOne();
        assertThat(choice.rowCount(3)).isOne();
    }

    @Test
    void shouldChooseAmongTheBestGroupsByCorrectedScores() {
        // groups {0, 1, 2} and {3, 4, 5}, corrected: 0.1 0.9 0.2 and 0.6 0.7 0.0: the second has the better two
        var scores = new Matrix(new float[] {0.1f, 0.9f, 0.2f, 0.5f, 0.7f, 0.4f}, 1, 6);
        float[] correction = {0, 0, 0, 0.1f, 0, -0.4f};
        var choice = new ExpertChoice(1, sigmoid(2, 1, true));
        choice.choose(scores, correction, new Shard(0, 1));
        assertThat(choice.chosenOf(0)).containsExactly(4, 3);
        assertThat(choice.weightsOf(0))
                .as("scores without correction, over their sum, times the factor")
                .containsExactly(0.7f / (0.7f + 0.5f) * 2.5f, 0.5f / (0.7f + 0.5f) * 2.5f);
    }

    @Test
    void shouldKeepTheLowestOfEqualGroups() {
        var scores = new Matrix(new float[] {0.5f, 0.5f, 0.1f, 0.5f, 0.1f, 0.5f}, 1, 6);
        var choice = new ExpertChoice(1, sigmoid(2, 1, false));
        choice.choose(scores, new float[6], new Shard(0, 1));
        assertThat(choice.chosenOf(0)).containsExactly(0, 1);
        assertThat(choice.weightsOf(0)).containsExactly(0.5f * 2.5f, 0.5f * 2.5f);
    }

    @Test
    void shouldNotLeaveKeptGroupsForNegativeCorrections() {
        var scores = new Matrix(new float[] {0.1f, 0.1f, 0.1f, 0, 0, 0}, 1, 6);
        var choice = new ExpertChoice(1, sigmoid(2, 1, true));
        choice.choose(scores, new float[] {-5, -6, -7, -9, -9, -9}, new Shard(0, 1));
        assertThat(choice.chosenOf(0)).containsExactly(0, 1);
    }

    @Test
    void shouldNotDivideByASumOfZero() {
        var choice = new ExpertChoice(1, sigmoid(1, 1, true));
        choice.choose(Matrix.of(1, 6), new float[6], new Shard(0, 1));
        assertThat(choice.weightsOf(0)).containsExactly(0, 0);
    }

    private static Experts sigmoid(int groups, int keptGroups, boolean normalisesWeights) {
        var routing = new Routing(Scoring.SIGMOID, normalisesWeights, groups, keptGroups, 2.5);
        return new Experts(6, 2, 8, routing, DenseParts.NONE);
    }

    private static ExpertChoice choice(boolean normalisesWeights) {
        return new ExpertChoice(3, new Experts(4, 2, 8, Routing.softmax(normalisesWeights), DenseParts.NONE));
    }
}
