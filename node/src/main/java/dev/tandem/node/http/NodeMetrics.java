package dev.tandem.node.http;

import dev.tandem.api.access.KeyGuard;
import dev.tandem.api.metrics.Histogram;
import dev.tandem.api.metrics.MetricName;
import dev.tandem.api.metrics.MetricsPage;
import dev.tandem.api.metrics.VllmBuckets;
import dev.tandem.api.server.HttpCounter;
import dev.tandem.counter.Counters;
import dev.tandem.engine.EngineCounter;
import dev.tandem.engine.EngineStatus;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.engine.request.TokenEvent;
import dev.tandem.node.flags.Parallel;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;

/**
 * The metrics of one node under vLLM's names, and ours under {@code tandem:} for what vLLM has no name for. Thread-safe.
 */
final class NodeMetrics {
    private static final double NANOS = 1e9;
    /** Counters that vLLM has a name for; the rest are shown as {@code tandem:<constant>}. */
    private static final Map<EngineCounter, String> VLLM_NAMES = Map.of(
            EngineCounter.PROMPT_TOKENS, "vllm:prompt_tokens",
            EngineCounter.GENERATION_TOKENS, "vllm:generation_tokens",
            EngineCounter.PREFIX_CACHE_QUERIES, "vllm:prefix_cache_queries",
            EngineCounter.PREFIX_CACHE_HITS, "vllm:prefix_cache_hits",
            EngineCounter.EXTERNAL_PREFIX_CACHE_QUERIES, "vllm:external_prefix_cache_queries",
            EngineCounter.EXTERNAL_PREFIX_CACHE_HITS, "vllm:external_prefix_cache_hits",
            EngineCounter.PREEMPTIONS, "vllm:num_preemptions");

    private static final Map<EngineCounter, String> FINISH_REASONS = Map.of(
            EngineCounter.REQUESTS_FINISHED_STOP, "stop",
            EngineCounter.REQUESTS_FINISHED_LENGTH, "length",
            EngineCounter.REQUESTS_ABORTED, "abort");

    /** Gauges of each data-parallel rank. */
    private static final Map<MetricName, ToDoubleFunction<EngineStatus>> RANK_GAUGES = Map.of(
            new MetricName("vllm:num_requests_running", "Sequences in the running batch."),
            s -> s.load().running(),
            new MetricName("vllm:num_requests_waiting", "Sequences that wait for blocks or a place in the batch."),
            s -> s.load().waiting(),
            new MetricName("vllm:kv_cache_usage_perc", "Blocks in use; 1 is full."),
            s -> s.blocks().total() == 0
                    ? 0
                    : 1 - s.blocks().free() / (double) s.blocks().total(),
            new MetricName("tandem:kv_blocks", "KV blocks in all."),
            s -> s.blocks().total(),
            new MetricName("tandem:kv_blocks_free", "KV blocks that can be taken."),
            s -> s.blocks().free(),
            new MetricName("tandem:kv_blocks_cached", "Free KV blocks that the prefix cache still finds."),
            s -> s.blocks().cached(),
            new MetricName("tandem:kv_blocks_lent", "KV blocks lent to decode nodes."),
            s -> s.blocks().lent(),
            new MetricName("tandem:requests_lent", "Requests whose blocks wait for a decode node."),
            s -> s.load().lent(),
            new MetricName("tandem:requests_awaiting_kv", "Requests whose KV is on its way."),
            s -> s.load().awaitingKv());

    /** The state of a rank that is not there. */
    private static final EngineStatus AWAY = new EngineStatus(
            Optional.of("away"), new EngineStatus.Load(0, 0, 0, 0), new EngineStatus.Blocks(0, 0, 0, 0), Map.of());

    private final MetricsPage page;
    private final Histogram timeToFirstToken;
    private final Histogram interTokenLatency;
    private final Histogram requestLatency;
    private final Histogram queueTime;
    private final Histogram prefillTime;
    private final Histogram decodeTime;
    private final Histogram promptTokens;
    private final Histogram generationTokens;

    /**
     * @param data ranks whose state is shown under the label {@code engine}: all that this process gives requests to
     * @param replicas where they are
     * @param counters of the deployment
     * @param http counters of the node's server
     * @param handoff what this process exchanges KV with, where it does
     */
    NodeMetrics(
            Parallel.Data data,
            ReplicaSet replicas,
            Counters<ClusterCounter> counters,
            Counters<HttpCounter> http,
            ServedModel model,
            Optional<HandoffRuntime> handoff) {
        this.page = new MetricsPage(Map.of("model_name", model.name()));
        boolean isHead = data.balancing() == Parallel.Balancing.INTERNAL;
        int first = isHead ? 0 : data.startRank();
        int count = isHead ? data.size() : data.localSize();
        for (int dpRank = first; dpRank < first + count; dpRank++) {
            int rank = dpRank;
            registerState(
                    Map.of("engine", Integer.toString(rank)),
                    () -> replicas.statuses().getOrDefault(rank, AWAY));
        }
        page.gauge(
                new MetricName("tandem:data_parallel_ranks", "Data-parallel ranks that are there."),
                () -> replicas.statuses().size());
        page.counters("tandem:cluster_", Map.of(), counters);
        page.counters("tandem:http_", Map.of(), http);
        handoff.ifPresent(runtime -> {
            page.counters("tandem:handoff_", Map.of(), runtime.counters());
            page.counters("tandem:transfer_", Map.of(), runtime.transfers().counters());
        });
        int length = model.limits().maxModelLength();
        double[] latency = VllmBuckets.requestLatency();
        this.timeToFirstToken = page.histogram(
                new MetricName("vllm:time_to_first_token_seconds", "From submission to the first token."),
                VllmBuckets.timeToFirstToken());
        this.interTokenLatency = page.histogram(
                new MetricName("vllm:inter_token_latency_seconds", "Between two tokens of one request."),
                VllmBuckets.interTokenLatency());
        this.requestLatency = page.histogram(
                new MetricName("vllm:e2e_request_latency_seconds", "From submission to the end."), latency);
        this.queueTime = page.histogram(
                new MetricName("vllm:request_queue_time_seconds", "From submission to the first chunk."), latency);
        this.prefillTime = page.histogram(
                new MetricName("vllm:request_prefill_time_seconds", "From the first chunk to the first token."),
                latency);
        this.decodeTime = page.histogram(
                new MetricName("vllm:request_decode_time_seconds", "From the first token to the last."), latency);
        this.promptTokens = page.histogram(
                new MetricName("vllm:request_prompt_tokens", "Tokens of a prompt."), VllmBuckets.tokenCounts(length));
        this.generationTokens = page.histogram(
                new MetricName("vllm:request_generation_tokens", "Tokens generated for a request."),
                VllmBuckets.tokenCounts(length));
    }

    private void registerState(Map<String, String> labels, Supplier<EngineStatus> replica) {
        RANK_GAUGES.forEach((gauge, value) -> page.gauge(
                new MetricName(gauge.name(), gauge.help(), labels), () -> value.applyAsDouble(replica.get())));
        for (EngineCounter counter : EngineCounter.values()) {
            page.counter(name(counter, labels), () -> replica.get().counters().getOrDefault(counter, 0L));
        }
    }

    private static MetricName name(EngineCounter counter, Map<String, String> labels) {
        if (FINISH_REASONS.containsKey(counter)) {
            var all = new HashMap<String, String>(labels);
            all.put("finished_reason", FINISH_REASONS.get(counter));
            return new MetricName("vllm:request_success", "Requests that ended, by finish reason.", all);
        }
        return new MetricName(
                VLLM_NAMES.getOrDefault(counter, "tandem:" + counter.seriesName()), counter.sentence(), labels);
    }

    /** A token came {@code sinceLastNs} after the one before it. */
    void tokenCame(long sinceLastNs) {
        interTokenLatency.record(sinceLastNs / NANOS);
    }

    /** The first token of a request came. */
    void firstTokenCame(long sinceSubmitNs) {
        timeToFirstToken.record(sinceSubmitNs / NANOS);
    }

    /** A request ended. */
    void requestEnded(TokenEvent.Usage usage) {
        TokenEvent.Times times = usage.times();
        queueTime.record(times.queuedNs() / NANOS);
        prefillTime.record(times.prefillNs() / NANOS);
        decodeTime.record(times.decodeNs() / NANOS);
        requestLatency.record((times.queuedNs() + times.prefillNs() + times.decodeNs()) / NANOS);
        promptTokens.record(usage.promptTokens());
        generationTokens.record(usage.outputTokens());
    }

    /** Shows who calls, by key. */
    void show(KeyGuard guard) {
        guard.show(page, "tandem:");
    }

    byte[] scrape() {
        return page.scrape();
    }
}
