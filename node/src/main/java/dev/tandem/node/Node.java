package dev.tandem.node;

import dev.tandem.api.HttpServer;
import dev.tandem.api.HttpServerConfig;
import dev.tandem.api.Route;
import dev.tandem.engine.Engine;
import dev.tandem.engine.Replica;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One serving process: opens the checkpoint, starts the engine, then listens. Closing it ends all requests. */
public final class Node implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Node.class);
    private static final int MAX_BODY_BYTES = 32 << 20;

    private final LoadedModel loaded;
    private final LocalRanks ranks;
    private final LocalEngines engines;
    private final HttpServer server;
    private final NodeReport report;

    private Node(NodeConfig config, LoadedModel loaded, LocalRanks ranks, LocalEngines engines) {
        this.loaded = loaded;
        this.ranks = ranks;
        this.engines = engines;
        LOG.info("stage=\"listening\"");
        ServedModel served = loaded.served(ranks.maxModelLength());
        this.server = listen(config, served, engines.engines().getFirst());
        this.report = report(config, served, server.port());
    }

    /**
     * Starts a node and returns when it is healthy.
     *
     * @throws dev.tandem.node.flags.FlagException when flags do not fit the checkpoint or the machine
     * @throws dev.tandem.checkpoint.CheckpointException when the checkpoint cannot be used
     */
    public static Node start(NodeConfig config) {
        ServeFlags flags = config.flags();
        config.notes().forEach(note -> LOG.info("{}", note));
        config.ports().ifPresent(ports -> SideChannelPorts.requireFree(ports, config.announcedHost()));
        LOG.info("stage=\"opening {}\"", flags.model().checkpoint());
        LoadedModel loaded = LoadedModel.open(config);
        try {
            return start(config, loaded);
        } catch (RuntimeException e) {
            loaded.close();
            throw e;
        }
    }

    private static Node start(NodeConfig config, LoadedModel loaded) {
        LocalRanks ranks = LocalRanks.load(config, loaded, rank -> Optional.empty());
        LocalEngines engines = null;
        try {
            LOG.info("stage=\"warming up kernels\"");
            engines = LocalEngines.start(config, ranks);
            var node = new Node(config, loaded, ranks, engines);
            LOG.info("ready {}", node.report.toMap());
            return node;
        } catch (RuntimeException e) {
            if (engines != null) {
                engines.close();
            }
            ranks.close();
            throw e;
        }
    }

    private static HttpServer listen(NodeConfig config, ServedModel served, Replica engine) {
        ServeFlags.Server server = config.flags().server();
        var metrics = new NodeMetrics(Map.of(0, engine), served);
        var generation = new Generation(engine, served, metrics, Duration.ofSeconds(server.requestTimeoutSeconds()));
        var endpoints = new GenerationEndpoints(
                served, generation, config.flags().kvTransfer().map(KvTransferConfig::role), server.maxWaiting());
        var text = new TextEndpoints(served);
        var state = new StateEndpoints(
                engine, served, endpoints, metrics, config.flags().kvTransfer());
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
        int exchanges = server.maxWaiting() + 4 * config.flags().scheduler().sequences();
        return HttpServer.start(
                new HttpServerConfig(server.host(), server.port(), server.apiServers(), MAX_BODY_BYTES, exchanges),
                routes);
    }

    private NodeReport report(NodeConfig config, ServedModel served, int port) {
        return new NodeReport(
                StateEndpoints.roleWord(config.flags().kvTransfer()),
                new NodeReport.Address(config.flags().server().host(), port),
                new NodeReport.Model(served.names(), served.limits().maxModelLength()),
                ranks.kvReport(),
                new NodeReport.Compute(loaded.kernels().kernels().name(), ranks.threadsPerRank()),
                config.ports()
                        .map(ports -> config.announcedHost() + ":"
                                + ports.sideChannels().getFirst()));
    }

    public NodeReport report() {
        return report;
    }

    /** Why the engine died, once it has. */
    public Optional<String> failure() {
        for (Engine engine : engines.engines()) {
            Optional<String> failure = engine.status().failure();
            if (failure.isPresent()) {
                return failure;
            }
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        server.close();
        engines.close();
        ranks.close();
        loaded.close();
    }
}
