package dev.tandem.node.http;

import dev.tandem.api.HttpServer;
import dev.tandem.api.HttpServerConfig;
import dev.tandem.api.Route;
import dev.tandem.counter.Counters;
import dev.tandem.engine.cluster.ClusterCounter;
import dev.tandem.engine.cluster.MemberStatus;
import dev.tandem.engine.cluster.ReplicaSet;
import dev.tandem.engine.handoff.runtime.HandoffRuntime;
import dev.tandem.node.flags.KvTransferConfig;
import dev.tandem.node.flags.ServeFlags;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** The HTTP surface of a node: builds the endpoints and starts the server behind them. */
public final class NodeHttp {
    private static final int MAX_BODY_BYTES = 32 << 20;

    private NodeHttp() {}

    /**
     * Listens; returns when it does.
     *
     * @param apiKeys keys that requests under {@code /v1} must carry; empty for none
     * @param metaservers hosts beside the gateway's own whose metaserver a decode node calls
     * @param replicas all ranks that this process gives requests to
     * @param others the other processes of the deployment, as a head knows them
     * @param handoff what this process exchanges KV with, where it does
     * @throws dev.tandem.api.ApiException when the address cannot be bound
     */
    public static HttpServer start(
            ServeFlags flags,
            List<String> apiKeys,
            List<String> metaservers,
            ServedModel served,
            ReplicaSet replicas,
            Supplier<List<MemberStatus>> others,
            Counters<ClusterCounter> counters,
            Optional<HandoffRuntime> handoff) {
        ServeFlags.Server server = flags.server();
        var metrics = new NodeMetrics(flags.parallel().data(), replicas, counters, served, handoff);
        var generation = new Generation(replicas, served, metrics, Duration.ofSeconds(server.requestTimeoutSeconds()));
        var endpoints = new GenerationEndpoints(
                served,
                generation,
                new HandoffAdmission(flags.kvTransfer(), new MetaserverAllowList(metaservers)),
                server.maxWaiting());
        var text = new TextEndpoints(served);
        var state = new StateEndpoints(replicas, others, served, endpoints, metrics, flags.kvTransfer());
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
        var keys = new ApiKeys(apiKeys);
        routes.replaceAll(keys::guard);
        int exchanges = server.maxWaiting()
                + 4 * flags.scheduler().sequences() * flags.parallel().data().size();
        return HttpServer.start(
                new HttpServerConfig(server.host(), server.port(), server.apiServers(), MAX_BODY_BYTES, exchanges),
                routes);
    }

    /** A node's role as others read it: {@code prefill}, {@code decode}, {@code both} or {@code aggregated}. */
    public static String roleName(Optional<KvTransferConfig> handoff) {
        return handoff.map(config -> switch (config.role()) {
                    case KV_PRODUCER -> "prefill";
                    case KV_CONSUMER -> "decode";
                    case KV_BOTH -> "both";
                })
                .orElse("aggregated");
    }
}
