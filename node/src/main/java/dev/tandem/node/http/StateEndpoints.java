package dev.tandem.node.http;

import dev.tandem.api.Version;
import dev.tandem.api.metrics.MetricsPage;
import dev.tandem.api.openai.Fields;
import dev.tandem.api.openai.RequestId;
import dev.tandem.api.server.Exchange;
import dev.tandem.engine.cluster.MemberStatus;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.handoff.HandoffConfig.Connector;
import dev.tandem.node.flags.KvTransferConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Everything about the node's state: health, load, models, version, metrics, and the cancel of a lease. */
final class StateEndpoints {
    private static final int MOST_CANCELS = 1024;

    private final ReplicaSet replicas;
    private final Supplier<List<MemberStatus>> others;
    private final ServedModel model;
    private final GenerationEndpoints endpoints;
    private final NodeMetrics metrics;
    private final Optional<KvTransferConfig> handoff;
    private final Supplier<Optional<String>> trouble;
    private final long startedSeconds = System.currentTimeMillis() / 1000;

    /** @param trouble why the process is not well, as last seen; waits for nothing */
    StateEndpoints(
            ReplicaSet replicas,
            Supplier<List<MemberStatus>> others,
            ServedModel model,
            GenerationEndpoints endpoints,
            NodeMetrics metrics,
            Optional<KvTransferConfig> handoff,
            Supplier<Optional<String>> trouble) {
        this.trouble = trouble;
        this.handoff = handoff;
        this.replicas = replicas;
        this.others = others;
        this.model = model;
        this.endpoints = endpoints;
        this.metrics = metrics;
    }

    /**
     * 200 and empty while all is well, as in vLLM; 503 with the reason when no rank lives, or a thread of the process does not; 200 with what is missing while nodes of the
     * deployment are away and the others continue.
     */
    void health(Exchange exchange) {
        Optional<String> failure = replicas.status().failure().or(trouble);
        if (failure.isPresent()) {
            exchange.respondJson(503, JsonNodeFactory.instance.objectNode().put("error", failure.get()));
            return;
        }
        List<MemberStatus> away =
                others.get().stream().filter(other -> !other.isUp()).toList();
        if (away.isEmpty()) {
            exchange.respondEmpty(200);
            return;
        }
        ObjectNode page = JsonNodeFactory.instance.objectNode().put("status", "degraded");
        ArrayNode nodes = page.putArray("nodes_away");
        for (MemberStatus other : away) {
            nodes.addObject()
                    .put("node", other.placement().toString())
                    .put("reason", other.downReason().orElse(""))
                    .put("seconds", other.inState().toSeconds())
                    .put("joins", other.joins());
        }
        exchange.respondJson(200, page);
    }

    /** vLLM's page, and what the gateway wants to know before it sends requests: the node's part in handoffs. */
    void version(Exchange exchange) {
        ObjectNode page = JsonNodeFactory.instance.objectNode().put("version", Version.TEXT);
        ObjectNode node = page.putObject("node").put("role", NodeHttp.roleName(handoff));
        handoff.ifPresent(config -> node.put("handoff", handoffName(config.connector()))
                .put("connector", config.name().vllmName())
                .put("engine_id", config.engineId()));
        exchange.respondJson(200, page);
    }

    private static String handoffName(Connector connector) {
        return switch (connector) {
            case PULL -> "pull";
            case LAYERWISE -> "layerwise";
        };
    }

    void load(Exchange exchange) {
        exchange.respondJson(200, JsonNodeFactory.instance.objectNode().put("server_load", endpoints.served()));
    }

    void models(Exchange exchange) {
        ObjectNode reply = JsonNodeFactory.instance.objectNode();
        reply.put("object", "list");
        ArrayNode list = reply.putArray("data");
        for (String name : model.names()) {
            ObjectNode card = list.addObject();
            card.put("id", name);
            card.put("object", "model");
            card.put("created", startedSeconds);
            card.put("owned_by", "tandem");
            card.put("root", model.name());
            card.putNull("parent");
            card.put("max_model_len", model.limits().maxModelLength());
        }
        exchange.respondJson(200, reply);
    }

    /** The gateway says that no decode node will fetch the blocks of these requests. */
    void cancelHandoff(Exchange exchange) {
        var fields = new Fields(exchange.json());
        List<String> ids = new ArrayList<>(fields.strings("request_ids", MOST_CANCELS));
        fields.string("request_id").ifPresent(ids::add); // the last release's gateways know only this
        if (ids.isEmpty()) {
            throw fields.invalid("request_ids", "request_ids is missing or empty");
        }
        for (String id : ids) {
            RequestId.ofSingleSequence(id).forEach(replicas::cancelLease);
        }
        exchange.respondEmpty(200);
    }

    void metrics(Exchange exchange) {
        exchange.respond(200, MetricsPage.CONTENT_TYPE, metrics.scrape());
    }
}
