package dev.tandem.api.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class MetricsPageTest {
    private final MetricsPage page = new MetricsPage(Map.of("model_name", "fable"));

    private String text() {
        return new String(page.scrape(), StandardCharsets.UTF_8);
    }

    @Test
    void shouldKeepColonsInNames() {
        AtomicLong running = new AtomicLong(3);
        page.gauge(new MetricName("vllm:num_requests_running", "Requests in the batch."), running::get);
        assertThat(text())
                .contains("# HELP vllm:num_requests_running Requests in the batch.\n")
                .contains("# TYPE vllm:num_requests_running gauge\n")
                .contains("vllm:num_requests_running{model_name=\"fable\"} 3.0\n");
        running.set(4);
        assertThat(text()).contains("vllm:num_requests_running{model_name=\"fable\"} 4.0\n");
    }

    @Test
    void shouldExportCountersWithTotalAndTheirLabels() {
        page.counter(new MetricName("vllm:request_success", "Ended.", Map.of("finished_reason", "stop")), () -> 5);
        page.counter(new MetricName("vllm:request_success", "Ended.", Map.of("finished_reason", "abort")), () -> 6);
        assertThat(text())
                .contains("vllm:request_success_total{finished_reason=\"stop\",model_name=\"fable\"} 5.0\n")
                .contains("vllm:request_success_total{finished_reason=\"abort\",model_name=\"fable\"} 6.0\n");
    }

    @Test
    void shouldKeepReadingCountersAfterAGarbageCollection() {
        AtomicLong count = new AtomicLong(7);
        page.counter(new MetricName("held", "Held."), () -> count.get());
        System.gc();
        assertThat(text()).contains("held_total{model_name=\"fable\"} 7.0\n");
    }

    @Test
    void shouldCountObservationsInVllmsBuckets() {
        Histogram ttft = page.histogram(
                new MetricName("vllm:time_to_first_token_seconds", "TTFT."), VllmBuckets.timeToFirstToken());
        ttft.record(0.003);
        ttft.record(3000);
        assertThat(ttft.count()).isEqualTo(2);
        assertThat(text())
                .contains("# TYPE vllm:time_to_first_token_seconds histogram\n")
                .contains("vllm:time_to_first_token_seconds_bucket{model_name=\"fable\",le=\"0.001\"} 0\n")
                .contains("vllm:time_to_first_token_seconds_bucket{model_name=\"fable\",le=\"0.005\"} 1\n")
                .contains("vllm:time_to_first_token_seconds_bucket{model_name=\"fable\",le=\"2560.0\"} 1\n")
                .contains("vllm:time_to_first_token_seconds_bucket{model_name=\"fable\",le=\"+Inf\"} 2\n")
                .contains("vllm:time_to_first_token_seconds_count{model_name=\"fable\"} 2\n")
                .doesNotContain("_max");
    }

    @Test
    void shouldKeepTheEndingsThatTheLibraryTakesOff() {
        page.gauge(new MetricName("vllm:cache_config_info", "Config.", Map.of("block_size", "16")), () -> 1);
        page.histogram(new MetricName("vllm:iteration_tokens_total", "Tokens."), VllmBuckets.tokenCounts(8));
        assertThat(text())
                .contains("vllm:cache_config_info{block_size=\"16\",model_name=\"fable\"} 1.0\n")
                .contains("# TYPE vllm:iteration_tokens_total histogram\n")
                .contains("vllm:iteration_tokens_total_count{model_name=\"fable\"} 0\n");
    }

    @Test
    void shouldMakeTokenBucketsUpToTheContext() {
        assertThat(VllmBuckets.tokenCounts(130)).containsExactly(1, 2, 5, 10, 20, 50, 100);
    }
}
