package dev.tandem.gateway;

import dev.tandem.api.EventLoops;
import dev.tandem.api.HttpAddress;
import dev.tandem.api.ReservedPorts;
import dev.tandem.api.ThreadDeaths;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.server.ConnectionLimits;
import dev.tandem.api.server.HttpLimits;
import dev.tandem.api.server.HttpServer;
import dev.tandem.api.server.HttpServerConfig;
import dev.tandem.api.server.LoopRoute;
import dev.tandem.api.server.Route;
import dev.tandem.gateway.fleet.Fleet;
import dev.tandem.gateway.fleet.NodeKey;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.fleet.Verdict;
import dev.tandem.gateway.intake.CompletionIntake;
import dev.tandem.gateway.intake.RunningAnswers;
import dev.tandem.gateway.protocol.DecodeThenPrefill;
import dev.tandem.gateway.protocol.ExchangeParts;
import dev.tandem.gateway.protocol.ExchangeSettings;
import dev.tandem.gateway.protocol.PdProtocol;
import dev.tandem.gateway.protocol.PrefillThenDecode;
import dev.tandem.gateway.protocol.RequestIds;
import dev.tandem.trust.PeerTrust;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
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
    private static final int METRICS_EXCHANGES = 16;
    private static final int METRICS_CONNECTIONS = 16;
    private static final int MAX_REPLY_BYTES = 64 << 20;
    /** What closing waits for at each of its steps, once no answer is under way: pages, posts of nodes, cancels on their way. */
    private static final Duration CLOSE_STEP = Duration.ofSeconds(1);

    private final Inside inside;
    private final HttpServer server;
    private final Optional<HttpServer> metricsAlone;
    private final Duration drainTimeout;
    /** Set by whoever closes first. */
    private final AtomicBoolean closing = new AtomicBoolean();

    /** What the routes of a gateway are made of. */
    private record Inside(
            EventLoops loops, HttpClient http, Fleet fleet, GatewayMetrics metrics, RunningAnswers running) {}

    private Gateway(Inside inside, HttpServer server, Optional<HttpServer> metricsAlone, Duration drainTimeout) {
        this.inside = inside;
        this.server = server;
        this.metricsAlone = metricsAlone;
        this.drainTimeout = drainTimeout;
    }

    /** Starts a gateway: judges its nodes once, then listens. Throws {@link dev.tandem.api.ApiException} when it cannot listen. */
    public static Gateway start(GatewayConfig config) {
        try (var named = new ReservedPorts()) { // no probe's connection may be given the gateway's own port
            named.add(config.listen().host(), config.listen().port());
            config.access()
                    .metricsPort()
                    .ifPresent(port -> named.add(config.listen().host(), port));
            return startReserved(config);
        }
    }

    private static Gateway startReserved(GatewayConfig config) {
        ThreadDeaths.listen();
        EventLoops loops = EventLoops.start(config.limits().eventLoops());
        HttpClient http = HttpClient.on(
                loops,
                HttpClientConfig.DEFAULT.withSilence(
                        config.limits().legs().firstByte(),
                        config.limits().legs().interToken()),
                config.access().nodes());
        NodeKey key = new NodeKey(
                config.access().nodeKey(),
                config.access().nodeKeyFile(),
                !config.access().clients().keys().areSet());
        Fleet fleet = new Fleet(
                config.nodes().prefill(),
                config.nodes().decode(),
                config.policies().shape().kind(),
                key,
                System::nanoTime);
        try {
            fleet.startProbing(http, config.policies().probes(), FIRST_VERDICT);
            var inside = new Inside(loops, http, fleet, new GatewayMetrics(fleet), new RunningAnswers());
            Optional<HttpServer> alone = metricsAlone(config, loops, inside.metrics());
            HttpServer server = serve(config, inside);
            LOG.info(
                    "gateway listens: address={}:{} prefill={} decode={}",
                    config.listen().host(),
                    server.port(),
                    config.nodes().prefill(),
                    config.nodes().decode());
            return new Gateway(inside, server, alone, config.limits().drainTimeout());
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

    /** The port that shows metrics alone. */
    public OptionalInt metricsPort() {
        return metricsAlone.map(alone -> OptionalInt.of(alone.port())).orElse(OptionalInt.empty());
    }

    /** The nodes that answer but run what they are not listed for, each with what is wrong. */
    public List<String> misfits() {
        return inside.fleet().leftOut().stream()
                .filter(node -> node.verdict().kind() == Verdict.Kind.MISFIT)
                .map(node -> node + ": " + node.verdict().cause())
                .toList();
    }

    /** What requests still wait for: a sentence that names the nodes; none when one node of each role serves. */
    public Optional<String> waitsFor() {
        List<NodeRole> missing = inside.fleet().missing();
        if (missing.isEmpty()) {
            return Optional.empty();
        }
        List<String> nodes = inside.fleet().leftOut().stream()
                .filter(node -> missing.contains(node.role()))
                .map(node -> node + " (" + node.verdict().cause() + ")")
                .toList();
        List<String> roles =
                missing.stream().map(role -> "a " + role.word() + " node").toList();
        return Optional.of("waiting for " + String.join(" and ", roles) + ": " + String.join(", ", nodes));
    }

    /**
     * Refuses new requests, lets those in flight end within the configured time, tells the clients of those that are left, then closes
     * everything. Closing again does nothing.
     */
    @Override
    public void close() {
        if (!closing.compareAndSet(false, true)) {
            return;
        }
        LOG.info("gateway stops: requests={} drainSeconds={}", server.activeExchanges(), drainTimeout.toSeconds());
        try {
            int told = inside.running().drain(drainTimeout);
            LOG.info("gateway drained: answersCutShort={}", told);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        metricsAlone.ifPresent(HttpServer::close);
        server.close();
        inside.fleet().close();
        inside.http().close(CLOSE_STEP);
        inside.loops().close();
    }

    private static Optional<HttpServer> metricsAlone(GatewayConfig config, EventLoops loops, GatewayMetrics metrics) {
        if (config.access().metricsPort().isEmpty()) {
            return Optional.empty();
        }
        int port = config.access().metricsPort().getAsInt();
        return Optional.of(HttpServer.start(
                loops,
                new HttpServerConfig(
                        config.listen().host(),
                        port,
                        1,
                        1,
                        METRICS_EXCHANGES,
                        HttpLimits.DEFAULT,
                        ConnectionLimits.of(METRICS_CONNECTIONS)),
                config.access().clients().withoutKeys(),
                metrics.http(),
                List.of(StatusPages.metrics(metrics))));
    }

    private static HttpServer serve(GatewayConfig config, Inside inside) {
        ExchangeSettings settings = new ExchangeSettings(
                config.policies().localPrefill(),
                config.policies().clientKvParamsAllowed(),
                config.retry().maxRetries(),
                config.retry().retryDelay(),
                MAX_REPLY_BYTES);
        ExchangeParts parts = new ExchangeParts(
                inside.fleet(),
                inside.http(),
                settings,
                inside.metrics().meters(),
                () -> ThreadLocalRandom.current().nextLong());
        StatusPages pages = new StatusPages(
                inside.fleet(),
                inside.http(),
                inside.metrics(),
                settings.localPrefill(),
                config.policies().shape().kind(),
                () -> inside.loops().trouble().or(ThreadDeaths::first),
                inside.running());
        return switch (config.policies().shape()) {
            case PdShape.PrefillFirst() -> {
                List<Route> routes = new ArrayList<>(pages.routes());
                routes.addAll(relayed(intake(config, new PrefillThenDecode(parts), inside)));
                yield start(config, inside, routes);
            }
            case PdShape.DecodeFirst(Optional<String> advertisedHost) -> {
                DecodeThenPrefill protocol =
                        new DecodeThenPrefill(parts, config.policies().trust(), new SecureRandom());
                List<Route> routes = new ArrayList<>(pages.routes());
                routes.addAll(relayed(intake(config, protocol, inside)));
                routes.add(LoopRoute.callback("POST", "/v1/metaserver", protocol::metaserver));
                String host = advertisedHost.orElse(config.listen().host());
                warnOfLoopback(config, host);
                warnOfStrangers(config);
                protocol.announce(
                        metaserver(config, host, config.listen().port())); // before the first request can come
                HttpServer server = start(config, inside, routes);
                protocol.announce(metaserver(config, host, server.port()));
                yield server;
            }
        };
    }

    private static HttpServer start(GatewayConfig config, Inside inside, List<Route> routes) {
        HttpServer server = HttpServer.start(
                inside.loops(),
                serverConfig(config),
                config.access().clients(),
                inside.metrics().http(),
                routes);
        inside.metrics().show(server.guard());
        return server;
    }

    private static String metaserver(GatewayConfig config, String host, int port) {
        boolean isSecure = config.access().clients().tls().isPresent();
        return new HttpAddress(host, port, isSecure).url() + "/v1/metaserver";
    }

    /** A loopback address means the gateway to nodes of this machine only. */
    private static void warnOfLoopback(GatewayConfig config, String advertised) {
        List<HttpAddress> elsewhere = config.nodes().decode().stream()
                .filter(node -> !isLoopback(node.host()))
                .toList();
        if (isLoopback(advertised) && !elsewhere.isEmpty()) {
            LOG.warn(
                    "decode nodes are told to post to {}; {} can do that only on this machine: see --advertised-host",
                    advertised,
                    elsewhere);
        }
    }

    /** The metaserver believes whoever knows an id; with a secret, only who proves that it knows that. */
    private static void warnOfStrangers(GatewayConfig config) {
        if (!config.policies().trust().secret().isSet()
                && !isLoopback(config.listen().host())) {
            LOG.warn(
                    "no cluster secret: whoever reaches {} and learns the id of a request can have its prompt's KV written"
                            + " elsewhere; set {} or {}, see docs/security.md",
                    config.listen(),
                    PeerTrust.TOKEN,
                    PeerTrust.TOKEN_FILE);
        }
    }

    private static boolean isLoopback(String host) {
        return host.equals("localhost") || host.startsWith("127.") || host.equals("::1");
    }

    private static CompletionIntake intake(GatewayConfig config, PdProtocol protocol, Inside inside) {
        return new CompletionIntake(
                protocol,
                new RequestIds(new SecureRandom()),
                inside.metrics().meters(),
                inside.fleet().key(),
                inside.running(),
                config.policies().clientKvParamsAllowed());
    }

    private static List<LoopRoute> relayed(CompletionIntake intake) {
        return List.of(
                new LoopRoute("POST", "/v1/completions", intake::accept),
                new LoopRoute("POST", "/v1/chat/completions", intake::accept));
    }

    private static HttpServerConfig serverConfig(GatewayConfig config) {
        HttpLimits limits = new HttpLimits(
                HttpLimits.DEFAULT.pendingResponseBytes(),
                HttpLimits.DEFAULT.slowClientTimeout(),
                HttpLimits.DEFAULT.bodyTimeout(),
                CLOSE_STEP);
        return new HttpServerConfig(
                config.listen().host(),
                config.listen().port(),
                config.limits().eventLoops(),
                config.limits().maxBodyBytes(),
                config.limits().maxConcurrentRequests(),
                limits,
                config.limits().connections());
    }
}
