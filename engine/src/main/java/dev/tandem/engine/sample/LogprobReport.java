package dev.tandem.engine.sample;

import dev.tandem.engine.request.SamplingOptions.Logprob;
import dev.tandem.engine.request.SamplingOptions.TokenLogprobs;
import java.util.ArrayList;
import java.util.List;

/**
 * What {@code logprobs} reports, as vLLM V1 by default: the log-softmax of the model's own logits, before bias, penalties and temperature.
 * The rank counts the tokens that are at least as likely, so the best has rank 1.
 */
final class LogprobReport {
    private LogprobReport() {}

    /**
     * @param logits a row of the model's logits is {@code [from, from + size)}
     * @param chosenId the token to report
     * @param topCount how many of the best to report besides
     */
    static TokenLogprobs of(float[] logits, int from, int size, int chosenId, int topCount) {
        float max = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + size; i++) {
            max = Math.max(max, logits[i]);
        }
        double sum = 0;
        int rank = 0;
        float chosen = logits[from + chosenId];
        for (int i = from; i < from + size; i++) {
            sum += StrictMath.exp((double) logits[i] - max);
            rank += logits[i] >= chosen ? 1 : 0;
        }
        double logSum = max + StrictMath.log(sum);
        var top = new ArrayList<Logprob>(topCount);
        for (int id : best(logits, from, size, Math.min(topCount, size))) {
            top.add(new Logprob(id, (float) (logits[from + id] - logSum), top.size() + 1));
        }
        return new TokenLogprobs(new Logprob(chosenId, (float) (chosen - logSum), rank), List.copyOf(top));
    }

    /** Ids of the {@code count} largest, best first, the lower id first among equals. */
    private static int[] best(float[] logits, int from, int size, int count) {
        var ids = new int[count];
        int found = 0;
        for (int id = 0; id < size && count > 0; id++) {
            float value = logits[from + id];
            if (found == count && value <= logits[from + ids[count - 1]]) {
                continue;
            }
            int at = found < count ? found++ : count - 1;
            while (at > 0 && logits[from + ids[at - 1]] < value) {
                ids[at] = ids[at - 1];
                at--;
            }
            ids[at] = id;
        }
        return ids;
    }
}
