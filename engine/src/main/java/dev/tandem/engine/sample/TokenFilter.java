package dev.tandem.engine.sample;

import dev.tandem.engine.request.SamplingOptions.Filters;

/**
 * Cuts a distribution down to the tokens that may be drawn: min-p, top-k, top-p in this order, as vLLM V1, and draws one. Min-p and top-k
 * are both thresholds on the logit, so they need no probabilities; top-p takes tokens off a heap until their sum suffices and so
 * does not sort the vocabulary. Exponentials are {@link StrictMath}'s, the same on every machine. Owned by the engine loop.
 */
final class TokenFilter {
    private final double[] weights; // [vocabulary]: exp(x - max x), by token id; valid for candidates only
    private final int[] candidates; // [vocabulary]: token ids
    private final float[] smallest; // [vocabulary]: heap of the k largest logits, smallest on top
    private int first; // kept are candidates[first, end)
    private int end;
    private double keptWeight;

    TokenFilter(int vocabularySize) {
        this.weights = new double[vocabularySize];
        this.candidates = new int[vocabularySize];
        this.smallest = new float[vocabularySize];
    }

    /**
     * Filters one row.
     *
     * @param logits [vocabulary], already divided by the temperature
     * @param best index of the largest
     */
    void apply(float[] logits, int best, Filters filters) {
        float max = logits[best];
        float threshold = Float.NEGATIVE_INFINITY;
        if (filters.minP() > 0) {
            threshold = max + (float) StrictMath.log(filters.minP());
        }
        if (filters.topK() > 0 && filters.topK() < logits.length) {
            threshold = Math.max(threshold, kthLargest(logits, filters.topK()));
        }
        collect(logits, max, threshold);
        if (filters.topP() < 1) {
            keepNucleus(filters.topP());
        }
    }

    /** Tokens kept. */
    int count() {
        return end - first;
    }

    int tokenId(int index) {
        return candidates[first + index];
    }

    /** Probability among the tokens kept. */
    double probability(int index) {
        return weights[candidates[first + index]] / keptWeight;
    }

    /** The token at a point of the cumulative distribution; {@code uniform} in [0, 1). */
    int draw(double uniform) {
        double left = uniform * keptWeight;
        for (int i = first; i < end; i++) {
            left -= weights[candidates[i]];
            if (left < 0) {
                return candidates[i];
            }
        }
        return candidates[end - 1]; // rounding of the sum
    }

    private void collect(float[] logits, float max, float threshold) {
        first = 0;
        end = 0;
        keptWeight = 0;
        for (int id = 0; id < logits.length; id++) {
            if (logits[id] >= threshold && logits[id] > Float.NEGATIVE_INFINITY) {
                double weight = StrictMath.exp((double) logits[id] - max);
                weights[id] = weight;
                candidates[end++] = id;
                keptWeight += weight;
            }
        }
    }

    /** Keeps a token when the sum of the better ones is below {@code topP}. */
    private void keepNucleus(float topP) {
        double limit = topP * keptWeight;
        for (int parent = end / 2 - 1; parent >= 0; parent--) {
            sink(parent, end);
        }
        int heap = end;
        double sum = 0;
        do { // the best always stays
            int id = candidates[0];
            candidates[0] = candidates[--heap];
            candidates[heap] = id;
            sum += weights[id];
            sink(0, heap);
        } while (heap > 0 && sum < limit);
        first = heap; // taken tokens lie behind the heap, best last
        keptWeight = sum;
    }

    /** Heap of candidates, likeliest on top, the lower id first among equals. */
    private void sink(int start, int size) {
        int parent = start;
        int id = candidates[parent];
        for (int child = 2 * parent + 1; child < size; child = 2 * parent + 1) {
            if (child + 1 < size && isBefore(candidates[child + 1], candidates[child])) {
                child++;
            }
            if (!isBefore(candidates[child], id)) {
                break;
            }
            candidates[parent] = candidates[child];
            parent = child;
        }
        if (size > 0) {
            candidates[parent] = id;
        }
    }

    private boolean isBefore(int id, int other) {
        return weights[id] > weights[other] || (weights[id] == weights[other] && id < other);
    }

    /** The k-th largest value, by a heap of the k largest seen so far. */
    private float kthLargest(float[] values, int k) {
        for (int i = 0; i < k; i++) {
            smallest[i] = values[i];
        }
        for (int parent = k / 2 - 1; parent >= 0; parent--) {
            sinkSmallest(parent, k);
        }
        for (int i = k; i < values.length; i++) {
            if (values[i] > smallest[0]) {
                smallest[0] = values[i];
                sinkSmallest(0, k);
            }
        }
        return smallest[0];
    }

    private void sinkSmallest(int start, int size) {
        int parent = start;
        float value = smallest[parent];
        for (int child = 2 * parent + 1; child < size; child = 2 * parent + 1) {
            if (child + 1 < size && smallest[child + 1] < smallest[child]) {
                child++;
            }
            if (smallest[child] >= value) {
                break;
            }
            smallest[parent] = smallest[child];
            parent = child;
        }
        smallest[parent] = value;
    }
}
