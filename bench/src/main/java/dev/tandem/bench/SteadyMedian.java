package dev.tandem.bench;

import java.util.Arrays;
import java.util.function.LongSupplier;

/**
 * The median time of several runs after a warm-up that ends when runs have stopped getting faster for a while: the compiler works in the
 * background.
 *
 * @param runs that are measured
 * @param warmUpSeconds least time for the warm-up
 * @param clockNs what time is
 */
record SteadyMedian(int runs, double warmUpSeconds, LongSupplier clockNs) {
    private static final int STEADY_RUNS = 5;

    double seconds(Runnable work) {
        long begin = clockNs.getAsLong();
        double best = Double.MAX_VALUE;
        int sinceBest = 0;
        while (sinceBest < STEADY_RUNS || clockNs.getAsLong() - begin < warmUpSeconds * 1e9) {
            double took = once(work);
            sinceBest = took < best * 0.97 ? 0 : sinceBest + 1;
            best = Math.min(best, took);
        }
        var seconds = new double[runs];
        for (int run = 0; run < runs; run++) {
            seconds[run] = once(work);
        }
        return of(seconds);
    }

    /** The median of values that were measured already. */
    static double of(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private double once(Runnable work) {
        long start = clockNs.getAsLong();
        work.run();
        return (clockNs.getAsLong() - start) / 1e9;
    }
}
