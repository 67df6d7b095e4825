package dev.tandem.layer;

import dev.tandem.checkpoint.ModelConfig.Experts;
import dev.tandem.checkpoint.ModelConfig.Routing;
import dev.tandem.checkpoint.ModelConfig.Scoring;
import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.Shard;
import java.util.Arrays;

/**
 * Which experts the rows of a pass chose, and with which weights: first by row, then regrouped by expert, with its rows ascending. One per
 * graph: its buffers are taken once and filled again for every layer. A row's choice depends on nothing but its own scores.
 *
 * <p>Experts are chosen by score plus correction among those of the best groups, a group being as good as its two best experts together;
 * they are weighted by the score alone, divided by the chosen scores' sum where the model says so, times a factor (DeepSeek-V3,
 * arXiv:2412.19437, section 2.1.2). One group and no correction make it the plain choice of the largest (Qwen3-MoE).
 */
public final class ExpertChoice {
    /** Keeps scores that are all 0 from being divided by 0; it changes no other sum. */
    private static final float SMALLEST_SUM = 1e-20f;

    private final int experts;
    private final int active;
    private final Routing routing;
    private final int[] chosen; // [maxRows, active] experts of a row, best first
    private final float[] weights; // [maxRows, active] factor on that expert's output
    private final int[] firstOf; // [experts + 1] where an expert's rows begin in rows and rowWeights
    private final int[] next; // [experts] where the expert's next row goes
    private final int[] rows; // [maxRows * active] rows grouped by expert
    private final float[] rowWeights; // [maxRows * active] beside rows
    private final float[] corrected; // [experts] scores by which the running row's experts are chosen
    private final float[] groupScores; // [groups] of the running row
    private final int[] rowsOfExpert; // [maxRows] rows of the expert that is asked for

    /** @param maxRows most rows of one pass */
    public ExpertChoice(int maxRows, Experts experts) {
        this.experts = experts.count();
        this.active = experts.active();
        this.routing = experts.routing();
        this.chosen = new int[maxRows * active];
        this.weights = new float[maxRows * active];
        this.firstOf = new int[experts.count() + 1];
        this.next = new int[experts.count()];
        this.rows = new int[maxRows * active];
        this.rowWeights = new float[maxRows * active];
        this.corrected = new float[experts.count()];
        this.groupScores = new float[routing.groups()];
        this.rowsOfExpert = new int[maxRows];
    }

    /** Experts of a layer. */
    int experts() {
        return experts;
    }

    /** Experts that a row chooses. */
    int active() {
        return active;
    }

    /** What a router makes of its logits before the choice. */
    Scoring scoring() {
        return routing.scoring();
    }

    /**
     * Chooses for some rows; every question below is about these only.
     *
     * @param scores [rows, experts]
     * @param correction [experts]
     */
    void choose(Matrix scores, float[] correction, Shard share) {
        for (int row = share.from(); row < share.to(); row++) {
            correct(scores.values(), scores.offset(row), correction);
            chooseForRow(scores.values(), scores.offset(row), row * active);
        }
        groupByExpert(share);
    }

    private void correct(float[] scores, int offset, float[] correction) {
        for (int expert = 0; expert < experts; expert++) {
            corrected[expert] = scores[offset + expert] + correction[expert];
        }
        if (routing.keptGroups() < routing.groups()) {
            dropGroups();
        }
    }

    /** Keeps the best groups only; of equal ones the lowest index wins. */
    private void dropGroups() {
        int size = experts / groupScores.length;
        for (int group = 0; group < groupScores.length; group++) {
            groupScores[group] = sumOfTwoBest(group * size, size);
        }
        for (int group = 0; group < groupScores.length; group++) {
            int better = 0;
            for (int other = 0; other < groupScores.length; other++) {
                boolean isBetter = groupScores[other] > groupScores[group]
                        || (groupScores[other] == groupScores[group] && other < group);
                better += isBetter ? 1 : 0;
            }
            if (better >= routing.keptGroups()) {
                Arrays.fill(corrected, group * size, (group + 1) * size, Float.NEGATIVE_INFINITY);
            }
        }
    }

    private float sumOfTwoBest(int from, int count) {
        float best = Float.NEGATIVE_INFINITY;
        float second = Float.NEGATIVE_INFINITY;
        for (int expert = from; expert < from + count; expert++) {
            float score = corrected[expert];
            second = Math.max(second, Math.min(best, score));
            best = Math.max(best, score);
        }
        return best + second;
    }

    /** Chooses the best experts, best first; of equal ones the lowest index wins. */
    private void chooseForRow(float[] scores, int offset, int to) {
        float sum = 0;
        for (int place = 0; place < active; place++) {
            int best = -1;
            for (int expert = 0; expert < experts; expert++) {
                if ((best < 0 || corrected[expert] > corrected[best]) && !isChosen(expert, to, place)) {
                    best = expert;
                }
            }
            chosen[to + place] = best;
            weights[to + place] = scores[offset + best];
            sum += scores[offset + best];
        }
        float divisor = routing.normalisesWeights() ? sum + SMALLEST_SUM : 1;
        for (int place = 0; place < active; place++) {
            weights[to + place] = weights[to + place] / divisor * (float) routing.scale();
        }
    }

    private boolean isChosen(int expert, int from, int count) {
        for (int i = 0; i < count; i++) {
            if (chosen[from + i] == expert) {
                return true;
            }
        }
        return false;
    }

    private void groupByExpert(Shard share) {
        Arrays.fill(firstOf, 0);
        for (int i = share.from() * active; i < share.to() * active; i++) {
            firstOf[chosen[i] + 1]++;
        }
        for (int expert = 0; expert < experts; expert++) {
            firstOf[expert + 1] += firstOf[expert];
            next[expert] = firstOf[expert];
        }
        for (int i = share.from() * active; i < share.to() * active; i++) {
            int at = next[chosen[i]]++;
            rows[at] = i / active;
            rowWeights[at] = weights[i];
        }
    }

    /** How many rows chose the expert. */
    int rowCount(int expert) {
        return firstOf[expert + 1] - firstOf[expert];
    }

    /** The expert's rows, ascending, in the first {@link #rowCount} entries; valid until the next call. */
    int[] rowsOf(int expert) {
        System.arraycopy(rows, firstOf[expert], rowsOfExpert, 0, rowCount(expert));
        return rowsOfExpert;
    }

    /** The i-th row that chose the expert. */
    int row(int expert, int i) {
        return rows[firstOf[expert] + i];
    }

    /** The factor of that row on the expert's output. */
    float weight(int expert, int i) {
        return rowWeights[firstOf[expert] + i];
    }

    /** The experts of a row, best first, for tests: [active]. */
    public int[] chosenOf(int row) {
        return Arrays.copyOfRange(chosen, row * active, (row + 1) * active);
    }

    /** The weights beside {@link #chosenOf}. */
    public float[] weightsOf(int row) {
        return Arrays.copyOfRange(weights, row * active, (row + 1) * active);
    }
}
