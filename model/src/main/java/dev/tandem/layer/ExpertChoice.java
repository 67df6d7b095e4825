package dev.tandem.layer;

import dev.tandem.kernel.Matrix;
import dev.tandem.parallel.Shard;
import java.util.Arrays;

/**
 * Which experts the rows of a pass chose, and with which weights: first by row, then turned round, by expert with its rows ascending.
 * Buffers are taken once. A row's choice depends on nothing but its own probabilities.
 */
final class ExpertChoice {
    private final int experts;
    private final int active;
    private final boolean normalises;
    private final int[] chosen; // [maxRows, active] experts of a row by descending probability
    private final float[] weights; // [maxRows, active] factor on that expert's output
    private final int[] firstOf; // [experts + 1] where an expert's rows begin in rows and rowWeights
    private final int[] next; // [experts] where the expert's next row goes
    private final int[] rows; // [maxRows * active] rows grouped by expert
    private final float[] rowWeights; // [maxRows * active] beside rows

    /**
     * @param normalises the chosen weights of a row are divided by their sum
     */
    ExpertChoice(int maxRows, int experts, int active, boolean normalises) {
        this.experts = experts;
        this.active = active;
        this.normalises = normalises;
        this.chosen = new int[maxRows * active];
        this.weights = new float[maxRows * active];
        this.firstOf = new int[experts + 1];
        this.next = new int[experts];
        this.rows = new int[maxRows * active];
        this.rowWeights = new float[maxRows * active];
    }

    /**
     * Chooses for some rows; all else speaks of these only.
     *
     * @param probabilities [rows, experts]
     */
    void choose(Matrix probabilities, Shard share) {
        for (int row = share.from(); row < share.to(); row++) {
            chooseForRow(probabilities.values(), probabilities.offset(row), row * active);
        }
        groupByExpert(share);
    }

    /** Best first; of equal probabilities the lowest index wins. */
    private void chooseForRow(float[] probabilities, int offset, int to) {
        float sum = 0;
        for (int rank = 0; rank < active; rank++) {
            int best = -1;
            for (int expert = 0; expert < experts; expert++) {
                if ((best < 0 || probabilities[offset + expert] > probabilities[offset + best])
                        && !isChosen(expert, to, rank)) {
                    best = expert;
                }
            }
            chosen[to + rank] = best;
            weights[to + rank] = probabilities[offset + best];
            sum += probabilities[offset + best];
        }
        if (normalises) {
            for (int rank = 0; rank < active; rank++) {
                weights[to + rank] /= sum;
            }
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

    /** Copies the expert's rows, ascending, to the front of {@code to}. */
    void copyRows(int expert, int[] to) {
        System.arraycopy(rows, firstOf[expert], to, 0, rowCount(expert));
    }

    /** The i-th row that chose the expert. */
    int row(int expert, int i) {
        return rows[firstOf[expert] + i];
    }

    /** Its factor on the expert's output. */
    float weight(int expert, int i) {
        return rowWeights[firstOf[expert] + i];
    }

    /** The experts of a row by descending weight, for tests: [active]. */
    int[] chosenOf(int row) {
        return Arrays.copyOfRange(chosen, row * active, (row + 1) * active);
    }

    /** The weights beside {@link #chosenOf}. */
    float[] weightsOf(int row) {
        return Arrays.copyOfRange(weights, row * active, (row + 1) * active);
    }
}
