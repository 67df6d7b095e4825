package dev.tandem.api.metrics;

import java.util.ArrayList;
import java.util.List;

/** Upper bounds of the histograms that vLLM exports, so that dashboards made for it fit. */
public final class VllmBuckets {
    private static final double[] TIME_TO_FIRST_TOKEN = {
        0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560
    };
    private static final double[] INTER_TOKEN_LATENCY = {
        0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80
    };
    private static final double[] REQUEST_LATENCY = {
        0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680
    };

    private VllmBuckets() {}

    /** Seconds to the first token. */
    public static double[] timeToFirstToken() {
        return TIME_TO_FIRST_TOKEN.clone();
    }

    /** Seconds between tokens, and per output token. */
    public static double[] interTokenLatency() {
        return INTER_TOKEN_LATENCY.clone();
    }

    /** Seconds of whole requests and of their queue, prefill, decode and inference parts. */
    public static double[] requestLatency() {
        return REQUEST_LATENCY.clone();
    }

    /** Token counts 1, 2, 5, 10, 20, … up to the longest context. */
    public static double[] tokenCounts(int maxModelTokens) {
        List<Double> bounds = new ArrayList<>();
        for (long decade = 1; ; decade *= 10) {
            for (int mantissa : new int[] {1, 2, 5}) {
                long bound = mantissa * decade;
                if (bound > maxModelTokens) {
                    return bounds.stream().mapToDouble(Double::doubleValue).toArray();
                }
                bounds.add((double) bound);
            }
        }
    }
}
