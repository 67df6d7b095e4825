package dev.tandem.node.http;

import dev.tandem.api.EventLoops;
import dev.tandem.api.ThreadDeaths;
import dev.tandem.api.access.ServerAccess;
import dev.tandem.api.server.BlockingRoute;
import dev.tandem.api.server.ConnectionLimits;
import dev.tandem.api.server.HttpCounter;
import dev.tandem.api.server.HttpLimits;
import dev.tandem.api.server.HttpServer;
import dev.tandem.api.server.HttpServerConfig;
import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.MemberStatus;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Supplier;

/** The HTTP surface of a node: the endpoints and the server behind them, and the one for metrics alone where there is one. */
public final class NodeHttp implements AutoCloseable {
    private static final int MAX_BODY_BYTES = 32 << 20;
    private static final int METRICS_EXCHANGES = 16;

    private static final int METRICS_CONNECTIONS = 16;
    /** As many are left for connections to other nodes. */
    private static final int DESCRIPTORS_PER_CONNECTION = 2;

    private final HttpServer main;
    private final Optional<HttpServer> metricsAlone;

    private NodeHttp(HttpServer main, Optional<HttpServer> metricsAlone) {
        this.main = main;
        this.metricsAlone = metricsAlone;
    }

    /** The port of all endpoints. */
    public int port() {
        return main.port();
    }

    /** The port that shows metrics alone. */
    public OptionalInt metricsPort() {
        return metricsAlone.map(server -> OptionalInt.of(server.port())).orElse(OptionalInt.empty());
    }

    /** Refuses new requests and waits for those under way, no longer than that; it is still to be closed. */
    public void drain(Duration patience) {
        main.drain(patience);
    }

    @Override
    public void close() {
        metricsAlone.ifPresent(HttpServer::close);
        main.close();
    }

    /**
     * Listens; returns when it does.
     *
     * @param access who may call
     * @param peers whom requests may make this node turn to
     * @param replicas all ranks that this process gives requests to
     * @param others the other processes of the deployment, as a head knows them
     * @param handoff what this process exchanges KV with, where it does
     * @throws dev.tandem.api.ApiException when the address cannot be bound
     */
    public static NodeHttp start(
            ServeFlags flags,
            ServerAccess access,
            HandoffPeers peers,
            ServedModel served,
            ReplicaSet replicas,
            Supplier<List<MemberStatus>> others,
            Counters<ClusterCounter> counters,
            Optional<HandoffRuntime> handoff) {
        ServeFlags.Server server = flags.server();
        var http = new Counters<>(HttpCounter.class);
        var metrics = new NodeMetrics(flags.parallel().data(), replicas, counters, http, served, handoff);
        var generation = new Generation(replicas, served, metrics, Duration.ofSeconds(server.requestTimeoutSeconds()));
        var texts = new RequestTexts(served, new TextWork(Runtime.getRuntime().availableProcessors()));
        var endpoints = new GenerationEndpoints(
                served,
                texts,
                generation,
                new HandoffAdmission(flags.kvTransfer(), peers),
                flags.limits().waiting() * flags.parallel().data().size());
        var text = new TextEndpoints(served, texts);
        EventLoops loops = EventLoops.start(server.apiServers());
        var state = new StateEndpoints(
                replicas, others, served, endpoints, metrics, flags.kvTransfer(), () -> trouble(loops, handoff));
        List<BlockingRoute> routes = List.of(
                new BlockingRoute("POST", "/v1/completions", endpoints::completions),
                new BlockingRoute("POST", "/v1/chat/completions", endpoints::chat),
                new BlockingRoute("POST", "/v1/handoff/cancel", state::cancelHandoff),
                BlockingRoute.status("GET", "/v1/models", state::models),
                new BlockingRoute("POST", "/tokenize", text::tokenize),
                new BlockingRoute("POST", "/detokenize", text::detokenize),
                BlockingRoute.status("GET", "/health", state::health),
                BlockingRoute.status("GET", "/ping", state::health),
                BlockingRoute.status("POST", "/ping", state::health),
                BlockingRoute.status("GET", "/version", state::version),
                BlockingRoute.status("GET", "/load", state::load),
                BlockingRoute.status("GET", "/metrics", state::metrics));
        int exchanges = flags.limits().waiting()
                + 4 * flags.limits().sequences() * flags.parallel().data().size();
        var config = new HttpServerConfig(
                server.host(),
                server.port(),
                server.apiServers(),
                MAX_BODY_BYTES,
                exchanges,
                HttpLimits.DEFAULT,
                connections(server));
        HttpServer started = HttpServer.startOwning(loops, config, access, http, routes);
        metrics.show(started.guard());
        try {
            return new NodeHttp(started, metricsAlone(server, access, http, state));
        } catch (RuntimeException e) {
            started.close();
            throw e;
        }
    }

    private static ConnectionLimits connections(ServeFlags.Server server) {
        return server.maxConnections().isPresent()
                ? ConnectionLimits.of(server.maxConnections().getAsInt())
                : ConnectionLimits.ofProcess(DESCRIPTORS_PER_CONNECTION);
    }

    private static Optional<HttpServer> metricsAlone(
            ServeFlags.Server server, ServerAccess access, Counters<HttpCounter> http, StateEndpoints state) {
        if (server.metricsPort().isEmpty()) {
            return Optional.empty();
        }
        var config = new HttpServerConfig(
                server.host(),
                server.metricsPort().getAsInt(),
                1,
                1,
                METRICS_EXCHANGES,
                HttpLimits.DEFAULT,
                ConnectionLimits.of(METRICS_CONNECTIONS));
        return Optional.of(HttpServer.start(
                config, access.withoutKeys(), http, List.of(BlockingRoute.status("GET", "/metrics", state::metrics))));
    }

    /** Why the process is not well, whatever its ranks say: a dead or hanging thread, as last seen. */
    private static Optional<String> trouble(EventLoops loops, Optional<HandoffRuntime> handoff) {
        return handoff.flatMap(HandoffRuntime::trouble).or(loops::trouble).or(ThreadDeaths::first);
    }

    /** A node's role as others read it: {@code prefill}, {@code decode}, {@code both} or {@code aggregated}. */
    public static String roleName(Optional<KvTransferConfig> handoff) {
        return handoff.map(config -> switch (config.role()) {
                    case PRODUCER -> "prefill";
                    case CONSUMER -> "decode";
                    case BOTH -> "both";
                })
                .orElse("aggregated");
    }
}
