package dev.tandem.api.metrics;

import java.util.Map;

/**
 * What a time series is called.
 *
 * @param name as exported, but for a counter without {@code _total}; colons as in {@code vllm:num_requests_running} are kept
 * @param help one sentence for operators
 * @param labels label names and values
 */
public record MetricName(String name, String help, Map<String, String> labels) {
    /** A name without labels. */
    public MetricName(String name, String help) {
        this(name, help, Map.of());
    }
}
