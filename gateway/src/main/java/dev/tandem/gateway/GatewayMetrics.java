package dev.tandem.gateway;

import dev.tandem.api.access.KeyGuard;
import dev.tandem.api.metrics.MetricName;
import dev.tandem.api.metrics.MetricsPage;
import dev.tandem.api.metrics.VllmBuckets;
import dev.tandem.api.server.HttpCounter;
import dev.tandem.counter.Counters;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.fleet.Verdict;
import dev.tandem.gateway.protocol.ExchangeMeters;
import dev.tandem.gateway.protocol.GatewayCounter;
import dev.tandem.gateway.protocol.LocalReason;
import java.util.Map;

/** The gateway's series, all named {@code tandem_gateway_…}. Any thread. */
final class GatewayMetrics {
    private static final String PREFIX = "tandem_gateway_";

    private final MetricsPage page = new MetricsPage(Map.of());
    private final Counters<HttpCounter> http = new Counters<>(HttpCounter.class);
    private final ExchangeMeters meters;

    GatewayMetrics(Fleet fleet) {
        meters = new ExchangeMeters(
                new Counters<>(GatewayCounter.class),
                new Counters<>(LocalReason.class),
                histogram("prefill_seconds", "From the call of a prefill node to its answer.", buckets()),
                histogram("first_byte_seconds", "From the client's request to its first byte.", buckets()),
                histogram("request_seconds", "From the client's request to the end.", VllmBuckets.requestLatency()),
                System::nanoTime);
        page.counters(PREFIX, Map.of(), meters.counters());
        page.counters(PREFIX + "http_", Map.of(), http);
        for (LocalReason reason : LocalReason.values()) {
            MetricName name = new MetricName(
                    PREFIX + "not_disaggregated",
                    "Requests that the decode node computed alone, by reason: disaggregation is lost.",
                    Map.of("reason", reason.word()));
            page.counter(name, () -> meters.localReasons().value(reason));
        }
        for (NodeRole role : NodeRole.values()) {
            fleet.nodes(role).forEach(this::addNode);
        }
    }

    ExchangeMeters meters() {
        return meters;
    }

    /** Shows who calls, by key. */
    void show(KeyGuard guard) {
        guard.show(page, PREFIX);
    }

    /** What the gateway's server counts. */
    Counters<HttpCounter> http() {
        return http;
    }

    byte[] scrape() {
        return page.scrape();
    }

    private void addNode(FleetNode node) {
        Map<String, String> labels =
                Map.of("role", node.role().word(), "node", node.address().authority());
        page.gauge(
                new MetricName(PREFIX + "node_up", "1 while the node is healthy.", labels),
                () -> node.isHealthy() ? 1 : 0);
        page.gauge(
                new MetricName(
                        PREFIX + "node_misfit",
                        "1 while the node answers but runs another connector or role than it is listed for: see /health.",
                        labels),
                () -> node.verdict().kind() == Verdict.Kind.MISFIT ? 1 : 0);
        page.gauge(new MetricName(PREFIX + "node_requests", "Requests under way on the node.", labels), node::inFlight);
        page.counter(
                new MetricName(PREFIX + "node_downs", "Times the node was found dead: it crashes or restarts.", labels),
                node::timesDown);
    }

    private dev.tandem.api.metrics.Histogram histogram(String name, String help, double[] bounds) {
        return page.histogram(new MetricName(PREFIX + name, help), bounds);
    }

    private static double[] buckets() {
        return VllmBuckets.timeToFirstToken();
    }
}
