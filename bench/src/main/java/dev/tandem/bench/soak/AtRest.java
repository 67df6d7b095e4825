package dev.tandem.bench.soak;

import dev.tandem.ops.launch.LaunchPlan;
import dev.tandem.ops.launch.ProcessPlan;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** What a cluster must hold, and must not, when nobody asks it any more. Any thread, which waits. */
final class AtRest {
    /** Leases of requests that went wrong may last so long. */
    private static final Duration LIMIT = Victims.LEASE.plusSeconds(10);

    private static final List<String> ZERO_ON_NODES = List.of(
            "tandem:kv_blocks_lent",
            "tandem:requests_lent",
            "tandem:requests_awaiting_kv",
            "vllm:num_requests_running",
            "vllm:num_requests_waiting",
            "tandem:integrity_failures_total");
    private static final List<String> ZERO_ON_GATEWAYS = List.of("tandem_gateway_node_requests");

    private final LaunchPlan cluster;

    AtRest(LaunchPlan cluster) {
        this.cluster = cluster;
    }

    /** One sentence per process that still holds something once leases are over. */
    List<String> problems() throws InterruptedException {
        var problems = new ArrayList<String>();
        try (HttpClient http = HttpClient.newHttpClient()) {
            for (ProcessPlan process : cluster.processes()) {
                if (!process.arguments().contains("--headless")) {
                    String held = awaitNothing(http, process);
                    if (!held.isEmpty()) {
                        problems.add(process.name() + " does not come to rest: " + held);
                    }
                }
            }
        }
        return problems;
    }

    private static String awaitNothing(HttpClient http, ProcessPlan process) throws InterruptedException {
        long endNs = System.nanoTime() + LIMIT.toNanos();
        String held = held(http, process);
        while (!held.isEmpty() && System.nanoTime() < endNs) {
            Thread.sleep(500);
            held = held(http, process);
        }
        return held;
    }

    private static String held(HttpClient http, ProcessPlan process) throws InterruptedException {
        try {
            HttpResponse<String> health = get(http, process, "/health");
            String page = get(http, process, "/metrics").body();
            boolean isNode = process.arguments().getFirst().equals("serve");
            var held = new StringBuilder();
            if (health.statusCode() != 200) {
                held.append("/health ").append(health.body()).append(' ');
            }
            if (isNode && sum(page, "tandem:kv_blocks") != sum(page, "tandem:kv_blocks_free")) {
                held.append(sum(page, "tandem:kv_blocks_free"))
                        .append(" of ")
                        .append(sum(page, "tandem:kv_blocks"))
                        .append(" blocks are free ");
            }
            for (String name : isNode ? ZERO_ON_NODES : ZERO_ON_GATEWAYS) {
                if (sum(page, name) != 0) {
                    held.append(name).append(' ').append(sum(page, name)).append(' ');
                }
            }
            return held.toString();
        } catch (IOException e) {
            return "no metrics: " + e;
        }
    }

    private static HttpResponse<String> get(HttpClient http, ProcessPlan process, String path)
            throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://" + process.http() + path))
                .timeout(Duration.ofSeconds(10))
                .build();
        return http.send(request, HttpResponse.BodyHandlers.ofString());
    }

    private static double sum(String page, String name) {
        return page.lines()
                .filter(line -> line.startsWith(name + "{") || line.startsWith(name + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                .sum();
    }
}
