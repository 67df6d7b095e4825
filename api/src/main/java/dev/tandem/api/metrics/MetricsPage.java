package dev.tandem.api.metrics;

import dev.tandem.counter.Counter;
import dev.tandem.counter.Counters;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tag;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;

/**
 * The series of one process and the page that shows them, in Prometheus' text format 0.0.4. Values are read when the page is asked for.
 * The Prometheus library takes {@code _total} and {@code _info} off names that are not counters, but vLLM has such names
 * ({@code vllm:iteration_tokens_total}, {@code vllm:cache_config_info}): they are registered under a stand-in and put right on the page.
 * Histograms are those of the Prometheus library, since Micrometer rounds observations up to whole numbers. Thread-safe.
 */
public final class MetricsPage {
    /** The type of the page. */
    public static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private static final List<String> TAKEN_OFF = List.of("_total", "_info", "_created", "_bucket");
    private static final String STAND_IN = "_standin";

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Map<String, String> commonLabels;
    /** Micrometer holds what it reads weakly; here it is held. */
    private final Queue<Object> sources = new ConcurrentLinkedQueue<>();

    private final Map<String, io.prometheus.metrics.core.metrics.Histogram> histograms = new ConcurrentHashMap<>();

    /** A page whose series all carry these labels, such as model_name and engine. */
    public MetricsPage(Map<String, String> commonLabels) {
        this.commonLabels = Map.copyOf(commonLabels);
    }

    /** Adds a value that goes up and down. */
    public void gauge(MetricName name, DoubleSupplier value) {
        Gauge.builder(registered(name), value::getAsDouble)
                .description(name.help())
                .tags(tags(name))
                .register(registry);
    }

    /** Adds a value that only grows; the exported name ends in {@code _total}. */
    public void counter(MetricName name, LongSupplier value) {
        sources.add(value);
        FunctionCounter.builder(name.name(), value, LongSupplier::getAsLong)
                .description(name.help())
                .tags(tags(name))
                .register(registry);
    }

    /** Adds all counters of one enum; a series is named {@code prefix} and the counter's own part, such as {@code leases_expired}. */
    public <C extends Enum<C> & Counter> void counters(
            String prefix, Map<String, String> labels, Counters<C> counters) {
        for (C counter : counters.all()) {
            counter(
                    new MetricName(prefix + counter.seriesName(), counter.sentence(), labels),
                    () -> counters.value(counter));
        }
    }

    /** Adds a histogram with these upper bounds; one for above is added. The label names of one name are always the same. */
    public Histogram histogram(MetricName name, double... upperBounds) {
        List<Tag> tags = tags(name);
        String[] labelNames = tags.stream().map(Tag::getKey).toArray(String[]::new);
        String[] labelValues = tags.stream().map(Tag::getValue).toArray(String[]::new);
        return new Histogram(histograms
                .computeIfAbsent(
                        registered(name),
                        registered -> io.prometheus.metrics.core.metrics.Histogram.builder()
                                .name(registered)
                                .help(name.help())
                                .labelNames(labelNames)
                                .classicOnly()
                                .withoutExemplars()
                                .classicUpperBounds(upperBounds)
                                .register(registry.getPrometheusRegistry()))
                .labelValues(labelValues));
    }

    /** The page as it is now. */
    public byte[] scrape() {
        return registry.scrape(CONTENT_TYPE).replace(STAND_IN, "").getBytes(StandardCharsets.UTF_8);
    }

    private static String registered(MetricName name) {
        boolean takenOff = TAKEN_OFF.stream().anyMatch(name.name()::endsWith);
        return takenOff ? name.name() + STAND_IN : name.name();
    }

    private List<Tag> tags(MetricName name) {
        TreeMap<String, String> labels = new TreeMap<>(commonLabels);
        labels.putAll(name.labels());
        return labels.entrySet().stream()
                .map(label -> Tag.of(label.getKey(), label.getValue()))
                .toList();
    }
}
