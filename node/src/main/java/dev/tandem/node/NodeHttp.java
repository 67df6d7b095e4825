package dev.tandem.node;

import dev.tandem.api.HttpServer;
import dev.tandem.api.HttpServerConfig;
import dev.tandem.api.Route;
import dev.tandem.engine.handoff.HandoffHub;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The endpoints of a node and the server behind them. */
final class NodeHttp {
    private static final int MAX_BODY_BYTES = 32 << 20;

    private NodeHttp() {}

    /** Listens; returns when it does. */
    static HttpServer listen(
            NodeConfig config, ServedModel served, Deployment deployment, Optional<HandoffHub> handoff) {
        ServeFlags.Server server = config.flags().server();
        var metrics = new NodeMetrics(config.flags().parallel().data(), deployment, served, handoff);
        var generation = new Generation(
                deployment.replicas(), served, metrics, Duration.ofSeconds(server.requestTimeoutSeconds()));
        var endpoints = new GenerationEndpoints(
                served,
                generation,
                new HandoffRule(
                        config.flags().kvTransfer(),
                        new MetaserverRule(config.environment().handoff().metaservers())),
                config.flags().limits().waiting());
        var text = new TextEndpoints(served);
        var state = new StateEndpoints(
                deployment, served, endpoints, metrics, config.flags().kvTransfer());
        var routes = new ArrayList<Route>(List.of(
                new Route("POST", "/v1/completions", endpoints::completions),
                new Route("POST", "/v1/chat/completions", endpoints::chat),
                new Route("POST", "/v1/handoff/cancel", state::cancelHandoff),
                new Route("GET", "/v1/models", state::models),
                new Route("POST", "/tokenize", text::tokenize),
                new Route("POST", "/detokenize", text::detokenize),
                new Route("GET", "/health", state::health),
                new Route("GET", "/ping", state::health),
                new Route("POST", "/ping", state::health),
                new Route("GET", "/version", state::version),
                new Route("GET", "/load", state::load),
                new Route("GET", "/metrics", state::metrics)));
        var keys = new ApiKeys(config.apiKeys());
        routes.replaceAll(keys::guard);
        int exchanges = config.flags().limits().waiting()
                + 4
                        * config.flags().limits().sequences()
                        * config.flags().parallel().data().size();
        return HttpServer.start(
                new HttpServerConfig(server.host(), server.port(), server.apiServers(), MAX_BODY_BYTES, exchanges),
                routes);
    }
}
