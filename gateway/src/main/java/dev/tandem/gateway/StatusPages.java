package dev.tandem.gateway;

import dev.tandem.api.ApiException;
import dev.tandem.api.Version;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpReply;
import dev.tandem.api.metrics.MetricsPage;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.Exchange;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.fleet.Verdict;
import dev.tandem.gateway.intake.RunningAnswers;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** What the gateway says of itself and its nodes. Each page runs on a virtual thread. */
final class StatusPages {
    private static final Logger LOG = LoggerFactory.getLogger(StatusPages.class);
    private static final Duration MODELS_WITHIN = Duration.ofSeconds(3);
    private static final int RETRY_AFTER_SECONDS = 1;

    private final Fleet fleet;
    private final HttpClient http;
    private final GatewayMetrics metrics;
    private final LocalPrefillPolicy localPrefill;
    private final HandoffKind kind;
    private final Supplier<Optional<String>> trouble;
    private final RunningAnswers running;

    /** @param trouble which thread of the process is dead or hangs, as last seen; waits for nothing */
    StatusPages(
            Fleet fleet,
            HttpClient http,
            GatewayMetrics metrics,
            LocalPrefillPolicy localPrefill,
            HandoffKind kind,
            Supplier<Optional<String>> trouble,
            RunningAnswers running) {
        this.trouble = trouble;
        this.running = running;
        this.fleet = fleet;
        this.http = http;
        this.metrics = metrics;
        this.localPrefill = localPrefill;
        this.kind = kind;
    }

    /** The page of all series. */
    static BlockingRoute metrics(GatewayMetrics metrics) {
        return BlockingRoute.status(
                "GET", "/metrics", page -> page.respond(200, MetricsPage.CONTENT_TYPE, metrics.scrape()));
    }

    List<BlockingRoute> routes() {
        return List.of(
                BlockingRoute.status("GET", "/health", this::health),
                BlockingRoute.status("GET", "/healthcheck", this::healthcheck),
                new BlockingRoute("GET", "/v1/models", this::models),
                metrics(metrics),
                BlockingRoute.status("GET", "/version", this::version));
    }

    /**
     * 200 while requests can be served, without a body while every node serves, as vLLM; a 503 that names the missing role otherwise. Nodes
     * that are left out are listed with the cause. 503 while the gateway drains, so that nobody sends it requests any more.
     */
    private void health(Exchange exchange) {
        Optional<String> dead = trouble.get();
        if (dead.isPresent()) {
            throw ApiError.unavailable(dead.get(), RETRY_AFTER_SECONDS);
        }
        if (running.isDraining()) {
            throw ApiError.unavailable("draining: this gateway takes no more requests", RETRY_AFTER_SECONDS);
        }
        List<NodeRole> missing = fleet.missing().stream()
                .filter(role -> role == NodeRole.DECODE || localPrefill == LocalPrefillPolicy.REFUSE)
                .toList();
        if (!missing.isEmpty()) {
            throw ApiError.unavailable(describe(missing), RETRY_AFTER_SECONDS);
        }
        if (fleet.leftOut().isEmpty()) {
            exchange.respondEmpty(200);
        } else {
            exchange.respondJson(200, withLeftOut(object().put("status", "ok")));
        }
    }

    /** Which roles nobody plays, and why. */
    private String describe(List<NodeRole> missing) {
        List<String> roles = missing.stream().map(NodeRole::word).toList();
        List<String> causes = fleet.leftOut().stream()
                .filter(node -> missing.contains(node.role()))
                .map(node -> node + ": " + node.verdict().cause())
                .toList();
        return "no healthy node of the role " + String.join(" and ", roles) + "; " + String.join("; ", causes);
    }

    /**
     * The example proxy's page: how many nodes are configured; how many of them are healthy, and why the others are not. And where they
     * are, for {@code tandem verify}, which asks them one by one.
     */
    private void healthcheck(Exchange exchange) {
        exchange.respondJson(
                200,
                withNodes(withLeftOut(object().put("status", "ok")
                        .put("prefill_instances", fleet.nodes(NodeRole.PREFILL).size())
                        .put("decode_instances", fleet.nodes(NodeRole.DECODE).size())
                        .put("prefill_healthy", fleet.healthy(NodeRole.PREFILL))
                        .put("decode_healthy", fleet.healthy(NodeRole.DECODE)))));
    }

    private ObjectNode withNodes(ObjectNode page) {
        ArrayNode list = page.putArray("nodes");
        for (NodeRole role : NodeRole.values()) {
            for (FleetNode node : fleet.nodes(role)) {
                list.addObject()
                        .put("role", role.word())
                        .put("node", node.address().toString())
                        .put("state", node.verdict().kind().name().toLowerCase(Locale.ROOT));
            }
        }
        return page;
    }

    private ObjectNode withLeftOut(ObjectNode page) {
        List<FleetNode> leftOut = fleet.leftOut();
        if (!leftOut.isEmpty()) {
            ArrayNode list = page.putArray("left_out");
            for (FleetNode node : leftOut) {
                Verdict verdict = node.verdict();
                list.addObject()
                        .put("role", node.role().word())
                        .put("node", node.address().toString())
                        .put("state", verdict.kind().name().toLowerCase(Locale.ROOT))
                        .put("cause", verdict.cause())
                        .put("seconds", node.judgedFor().toSeconds());
            }
        }
        return page;
    }

    private void version(Exchange exchange) {
        ObjectNode page = object().put("version", Version.TEXT);
        page.putObject("node").put("role", "gateway").put("handoff", kind.word());
        exchange.respondJson(200, page);
    }

    /** What the first healthy node says, prefill nodes first, as the example proxy. */
    private void models(Exchange exchange) {
        for (NodeRole role : NodeRole.values()) {
            for (FleetNode node : fleet.nodes(role)) {
                if (node.isHealthy() && answeredModels(exchange, node)) {
                    return;
                }
            }
        }
        throw ApiError.unavailable("no node tells its models", RETRY_AFTER_SECONDS);
    }

    private boolean answeredModels(Exchange exchange, FleetNode node) {
        HttpCall call = HttpCall.get(node.address(), "/v1/models");
        HttpCall authorized = fleet.key()
                .inPlaceOf(exchange.header("Authorization"))
                .map(value -> call.withHeader("Authorization", value))
                .orElse(call);
        try {
            HttpReply reply = http.send(authorized, MODELS_WITHIN);
            if (reply.status() >= 500) {
                return false;
            }
            exchange.respond(reply.status(), reply.header("Content-Type").orElse("application/json"), reply.body());
            return true;
        } catch (ApiException e) {
            LOG.warn("models not told: node={} cause={}", node.address(), e.getMessage());
            node.suspect();
            return false;
        }
    }

    private static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }
}
