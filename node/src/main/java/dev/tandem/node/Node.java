package dev.tandem.node;

import dev.tandem.api.HttpServer;
import dev.tandem.api.HttpServerConfig;
import dev.tandem.api.Route;
import dev.tandem.engine.Engine;
import dev.tandem.engine.EngineConfig;
import dev.tandem.engine.EngineParts;
import dev.tandem.engine.handoff.HandoffConfig;
import dev.tandem.engine.handoff.HandoffConfig.FailurePolicy;
import dev.tandem.engine.handoff.HandoffHub;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One serving process: opens the checkpoint, starts the engine, then listens. Closing it ends all requests. */
public final class Node implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Node.class);
    private static final int MAX_BODY_BYTES = 32 << 20;
    private static final int EVENT_LOOPS = 1;

    private final LoadedModel loaded;
    private final Serving serving;
    private final HttpServer server;
    private final NodeReport report;

    /** An engine, and what it shares with others of this process for exchanges with peers. */
    private record Serving(Engine engine, Optional<HandoffHub> hub) implements AutoCloseable {
        @Override
        public void close() {
            engine.close();
            hub.ifPresent(HandoffHub::close);
        }
    }

    private Node(LoadedModel loaded, Serving serving, HttpServer server, NodeReport report) {
        this.loaded = loaded;
        this.serving = serving;
        this.server = server;
        this.report = report;
    }

    /**
     * Starts a node and returns when it is healthy.
     *
     * @throws dev.tandem.node.flags.FlagException when flags do not fit the checkpoint or the machine
     * @throws dev.tandem.checkpoint.CheckpointException when the checkpoint cannot be used
     */
    public static Node start(NodeConfig config) {
        ServeFlags flags = config.flags();
        flags.notes().forEach(note -> LOG.info("accepted without effect: {}", note));
        LOG.info("stage=\"opening {}\"", flags.model().checkpoint());
        LoadedModel loaded = LoadedModel.open(config);
        LOG.info("stage=\"warming up kernels\"");
        Serving serving = serve(config, loaded);
        try {
            LOG.info("stage=\"listening\"");
            HttpServer server = listen(config, loaded, serving.engine());
            NodeReport report = report(config, loaded, server.port());
            LOG.info("ready {}", report.toMap());
            return new Node(loaded, serving, server, report);
        } catch (RuntimeException e) {
            serving.close();
            loaded.close();
            throw e;
        }
    }

    private static Serving serve(NodeConfig config, LoadedModel loaded) {
        Optional<HandoffHub> hub = config.flags().kvTransfer().map(transfer -> HandoffHub.start(config.announcedHost()));
        try {
            var parts = new EngineParts(loaded.model(), loaded.pool(), hub);
            return new Serving(Engine.start(engineConfig(config, loaded), parts), hub);
        } catch (RuntimeException e) {
            hub.ifPresent(HandoffHub::close);
            throw e;
        }
    }

    private static EngineConfig engineConfig(NodeConfig config, LoadedModel loaded) {
        ServeFlags flags = config.flags();
        return new EngineConfig(
                loaded.served().limits().maxModelLength(),
                new EngineConfig.Limits(
                        flags.scheduler().batchedTokens(),
                        flags.scheduler().sequences(),
                        flags.server().maxWaiting(),
                        flags.scheduler().isPrefillChunked()),
                flags.cache().cachesPrefixes(),
                flags.model().generation().seed(),
                flags.kvTransfer().map(transfer -> handoffConfig(config, transfer)));
    }

    private static HandoffConfig handoffConfig(NodeConfig config, KvTransferConfig transfer) {
        return new HandoffConfig(
                transfer.engineId(),
                config.ports().orElseThrow().sideChannel(0, 0),
                switch (transfer.role()) {
                    case KV_PRODUCER -> HandoffConfig.Role.PRODUCER;
                    case KV_CONSUMER -> HandoffConfig.Role.CONSUMER;
                    case KV_BOTH -> HandoffConfig.Role.BOTH;
                },
                peerTpSize(transfer),
                new HandoffConfig.Terms(
                        config.environment().timeouts().lease(),
                        config.environment().timeouts().fetch(),
                        switch (transfer.failurePolicy()) {
                            case RECOMPUTE -> FailurePolicy.RECOMPUTE;
                            case FAIL -> FailurePolicy.FAIL;
                        }));
    }

    /** What the extra config says of the other side; a node that plays both parts has peers like itself. */
    private static int peerTpSize(KvTransferConfig transfer) {
        var peer =
                switch (transfer.role()) {
                    case KV_PRODUCER -> transfer.decode();
                    case KV_CONSUMER, KV_BOTH -> transfer.prefill();
                };
        return peer.map(KvTransferConfig.Sizes::tp).orElse(1);
    }

    private static HttpServer listen(NodeConfig config, LoadedModel loaded, Engine engine) {
        ServeFlags.Server server = config.flags().server();
        var metrics = new NodeMetrics(engine, loaded.served());
        var generation =
                new Generation(engine, loaded.served(), metrics, Duration.ofSeconds(server.requestTimeoutSeconds()));
        var endpoints = new GenerationEndpoints(
                loaded.served(),
                generation,
                config.flags().kvTransfer().map(KvTransferConfig::role),
                server.maxWaiting());
        var text = new TextEndpoints(loaded.served());
        var state = new StateEndpoints(engine, loaded.served(), endpoints, metrics);
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
        var keys = new ApiKeys(server.apiKeys());
        routes.replaceAll(keys::guard);
        int exchanges = server.maxWaiting() + 4 * config.flags().scheduler().sequences();
        return HttpServer.start(
                new HttpServerConfig(server.host(), server.port(), EVENT_LOOPS, MAX_BODY_BYTES, exchanges), routes);
    }

    private static NodeReport report(NodeConfig config, LoadedModel loaded, int port) {
        Optional<KvTransferConfig> transfer = config.flags().kvTransfer();
        String role = transfer.map(t -> switch (t.role()) {
                    case KV_PRODUCER -> "prefill";
                    case KV_CONSUMER -> "decode";
                    case KV_BOTH -> "both";
                })
                .orElse("aggregated");
        return new NodeReport(
                role,
                new NodeReport.Address(config.flags().server().host(), port),
                new NodeReport.Model(
                        loaded.served().names(), loaded.served().limits().maxModelLength()),
                loaded.kvReport(),
                loaded.computeReport(),
                config.ports().map(ports -> config.announcedHost() + ":" + ports.sideChannel(0, 0)));
    }

    public NodeReport report() {
        return report;
    }

    /** Why the engine died, once it has. */
    public Optional<String> failure() {
        return serving.engine().status().failure();
    }

    @Override
    public void close() {
        server.close();
        serving.close();
        loaded.close();
    }
}
