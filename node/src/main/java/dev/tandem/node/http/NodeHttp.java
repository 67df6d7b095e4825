package dev.tandem.node.http;

import dev.tandem.api.server.BlockingRoute;
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
        var texts = new RequestTexts(served, new TextWork(Runtime.getRuntime().availableProcessors()));
        var endpoints = new GenerationEndpoints(
                served,
                texts,
                generation,
                new HandoffAdmission(flags.kvTransfer(), new MetaserverAllowList(metaservers)),
                flags.limits().waiting());
        var text = new TextEndpoints(served, texts);
        var state = new StateEndpoints(replicas, others, served, endpoints, metrics, flags.kvTransfer());
        var routes = new ArrayList<BlockingRoute>(List.of(
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
                BlockingRoute.status("GET", "/metrics", state::metrics)));
        var keys = new ApiKeys(apiKeys);
        routes.replaceAll(keys::guard);
        int exchanges = flags.limits().waiting()
                + 4 * flags.limits().sequences() * flags.parallel().data().size();
        return HttpServer.start(
                new HttpServerConfig(server.host(), server.port(), server.apiServers(), MAX_BODY_BYTES, exchanges),
                routes);
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
