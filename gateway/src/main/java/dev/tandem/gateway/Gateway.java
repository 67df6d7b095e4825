package dev.tandem.gateway;

import dev.tandem.api.EventLoops;
import dev.tandem.api.HttpClient;
import dev.tandem.api.HttpClientConfig;
import dev.tandem.api.HttpLimits;
import dev.tandem.api.HttpServer;
import dev.tandem.api.HttpServerConfig;
import dev.tandem.api.LoopRoute;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.protocol.ExchangeParts;
import dev.tandem.gateway.protocol.ExchangeSettings;
import dev.tandem.gateway.protocol.PdExchange;
import dev.tandem.gateway.protocol.RequestIds;
import java.time.Duration;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One address for clients before prefill and decode nodes: the example proxy's routes ({@code /v1/completions}, {@code
 * /v1/chat/completions}, {@code /healthcheck}), and {@code /v1/models}, {@code /health}, {@code /metrics}, {@code /version}. Started and
 * closed by any thread.
 */
public final class Gateway implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Gateway.class);
    private static final Duration FIRST_VERDICT = Duration.ofSeconds(3);
    private static final int MAX_REPLY_BYTES = 64 << 20;

    private final EventLoops loops;
    private final HttpClient http;
    private final Fleet fleet;
    private final HttpServer server;

    private Gateway(EventLoops loops, HttpClient http, Fleet fleet, HttpServer server) {
        this.loops = loops;
        this.http = http;
        this.fleet = fleet;
        this.server = server;
    }

    /** Starts a gateway: judges its nodes once, then listens. Throws {@link dev.tandem.api.ApiException} when it cannot listen. */
    public static Gateway start(GatewayConfig config) {
        EventLoops loops = EventLoops.start(config.limits().eventLoops());
        HttpClient http = HttpClient.on(
                loops,
                HttpClientConfig.DEFAULT.withSilenceTimeout(config.limits().silenceTimeout()));
        Fleet fleet = new Fleet(config.nodes().prefill(), config.nodes().decode());
        try {
            fleet.startProbing(http, config.policies().probes(), FIRST_VERDICT);
            HttpServer server = serve(config, loops, http, fleet);
            LOG.info(
                    "gateway listens: address={}:{} prefill={} decode={}",
                    config.listen().host(),
                    server.port(),
                    config.nodes().prefill(),
                    config.nodes().decode());
            return new Gateway(loops, http, fleet, server);
        } catch (RuntimeException e) {
            fleet.close();
            http.close();
            loops.close();
            throw e;
        }
    }

    /** The port that the gateway listens on. */
    public int port() {
        return server.port();
    }

    /** Stops listening, lets requests in flight end within the configured time, then closes everything. */
    @Override
    public void close() {
        server.close();
        fleet.close();
        http.close();
        loops.close();
    }

    private static HttpServer serve(GatewayConfig config, EventLoops loops, HttpClient http, Fleet fleet) {
        GatewayMetrics metrics = new GatewayMetrics(fleet);
        ExchangeSettings settings = new ExchangeSettings(
                config.policies().localPrefill(),
                config.policies().clientKvParamsAllowed(),
                config.retry().maxRetries(),
                config.retry().retryDelay(),
                MAX_REPLY_BYTES);
        ExchangeParts parts = new ExchangeParts(fleet, http, new RequestIds(), settings, metrics.meters());
        StatusPages pages = new StatusPages(fleet, http, metrics, settings.localPrefill());
        List<LoopRoute> relayed = List.of(
                new LoopRoute("POST", "/v1/completions", client -> PdExchange.start(parts, client)),
                new LoopRoute("POST", "/v1/chat/completions", client -> PdExchange.start(parts, client)));
        HttpLimits limits = new HttpLimits(
                HttpLimits.DEFAULT.pendingResponseBytes(),
                HttpLimits.DEFAULT.slowClientTimeout(),
                HttpLimits.DEFAULT.bodyTimeout(),
                config.limits().closeTimeout());
        HttpServerConfig serverConfig = new HttpServerConfig(
                config.listen().host(),
                config.listen().port(),
                config.limits().eventLoops(),
                config.limits().maxBodyBytes(),
                config.limits().maxConcurrentRequests(),
                limits);
        return HttpServer.start(loops, serverConfig, pages.routes(), relayed);
    }
}
