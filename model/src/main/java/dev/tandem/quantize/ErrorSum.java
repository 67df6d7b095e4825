package dev.tandem.quantize;

/** Adds up what rounding did to the weights of one part of a model. Owned by the quantiser. */
final class ErrorSum {
    private double squaredErrors;
    private double squares;
    private double largest;
    private long weights;

    /**
     * Adds one output's weights.
     *
     * @param row [count] as they were
     * @param q [count] what became of them
     */
    void add(float[] row, byte[] q, int count, float scale) {
        double largestWeight = 0;
        double largestError = 0;
        for (int i = 0; i < count; i++) {
            double error = row[i] - q[i] * (double) scale;
            squaredErrors += error * error;
            squares += (double) row[i] * row[i];
            largestWeight = Math.max(largestWeight, Math.abs(row[i]));
            largestError = Math.max(largestError, Math.abs(error));
        }
        if (largestWeight > 0) {
            largest = Math.max(largest, largestError / largestWeight);
        }
        weights += count;
    }

    void add(ErrorSum other) {
        squaredErrors += other.squaredErrors;
        squares += other.squares;
        largest = Math.max(largest, other.largest);
        weights += other.weights;
    }

    WeightError error() {
        return new WeightError(weights, squares == 0 ? 0 : Math.sqrt(squaredErrors / squares), largest);
    }
}
