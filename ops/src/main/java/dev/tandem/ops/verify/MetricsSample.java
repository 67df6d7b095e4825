package dev.tandem.ops.verify;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * A metrics page in Prometheus' text format at one moment. Pure.
 *
 * @param sums value of each series name, summed over its labels
 */
record MetricsSample(Map<String, Double> sums) {
    /** A page that could not be fetched. */
    static final MetricsSample NONE = new MetricsSample(Map.of());

    MetricsSample {
        sums = Map.copyOf(sums);
    }

    /** Reads a page; lines that are not samples are skipped. */
    static MetricsSample parse(List<String> lines) {
        var sums = new HashMap<String, Double>();
        for (String line : lines) {
            int labels = line.indexOf('{');
            int nameEnd = labels >= 0 ? labels : line.indexOf(' ');
            int valueStart = (labels >= 0 ? line.lastIndexOf('}') : nameEnd) + 1;
            if (line.startsWith("#") || nameEnd <= 0 || valueStart <= nameEnd) {
                continue;
            }
            String rest = line.substring(valueStart).strip();
            int timestamp = rest.indexOf(' ');
            number(timestamp < 0 ? rest : rest.substring(0, timestamp))
                    .ifPresent(value -> sums.merge(line.substring(0, nameEnd), value, Double::sum));
        }
        return new MetricsSample(sums);
    }

    private static OptionalDouble number(String text) {
        try {
            return OptionalDouble.of(Double.parseDouble(text));
        } catch (NumberFormatException e) {
            return OptionalDouble.empty(); // +Inf, and lines that are not samples
        }
    }

    /** Whether the page has a series of this program's or of vLLM's. */
    boolean isOfANode() {
        return sums.keySet().stream().anyMatch(name -> name.startsWith("vllm:") || name.startsWith("tandem:"));
    }

    /** The value of the first of these names that is there. */
    OptionalDouble value(String... names) {
        for (String name : names) {
            Double value = sums.get(name);
            if (value != null) {
                return OptionalDouble.of(value);
            }
        }
        return OptionalDouble.empty();
    }

    /** How much a counter has grown since; empty where either page lacks it. */
    OptionalDouble growth(MetricsSample before, String name) {
        OptionalDouble now = value(name);
        OptionalDouble then = before.value(name);
        return now.isPresent() && then.isPresent()
                ? OptionalDouble.of(now.getAsDouble() - then.getAsDouble())
                : OptionalDouble.empty();
    }

    /** Requests that run or wait on the node. */
    double requests() {
        return value("vllm:num_requests_running").orElse(0)
                + value("vllm:num_requests_waiting").orElse(0);
    }
}
