package dev.tandem.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.client.ClientExchange;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.HttpClient;
import dev.tandem.api.client.HttpClientConfig;
import dev.tandem.api.client.HttpReply;
import dev.tandem.gateway.fleet.ProbeSchedule;
import dev.tandem.gateway.protocol.LocalPrefillPolicy;
import dev.tandem.trust.PeerTrust;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;

/** A gateway before fake nodes, with a client. */
final class GatewayFixture implements AutoCloseable {
    private static final Queue<Socket> CLOSED = new ConcurrentLinkedQueue<>(); // open until this JVM ends
    static final Duration DEADLINE = Duration.ofSeconds(20);
    static final LegTimeouts LEGS = new LegTimeouts(DEADLINE, DEADLINE);

    private final List<FakeNode> nodes = new ArrayList<>();
    private final List<FakeNode> wrong = new ArrayList<>();
    private final List<Integer> prefillPorts = new ArrayList<>();
    private final List<Integer> decodePorts = new ArrayList<>();
    private LocalPrefillPolicy localPrefill = LocalPrefillPolicy.ALLOW;
    private PdShape shape = new PdShape.PrefillFirst();
    private PeerTrust trust = PeerTrust.everybody();
    private boolean clientKvParamsAllowed;
    private Duration silence = Duration.ofSeconds(15);
    private GatewayLimits limits = new GatewayLimits(1, 1 << 20, 100, LEGS, Duration.ofSeconds(1));
    private Gateway gateway;
    final HttpClient http = HttpClient.start(HttpClientConfig.DEFAULT);

    GatewayFixture withPrefill(FakeNode... added) {
        for (FakeNode node : added) {
            nodes.add(node);
            prefillPorts.add(node.port());
        }
        return this;
    }

    GatewayFixture withDecode(FakeNode... added) {
        for (FakeNode node : added) {
            nodes.add(node);
            decodePorts.add(node.port());
        }
        return this;
    }

    /** A node that the gateway is to leave out. */
    GatewayFixture withWrongPrefill(FakeNode node) {
        wrong.add(node);
        return withPrefillPort(node.port());
    }

    /** A node that the gateway is to leave out. */
    GatewayFixture withWrongDecode(FakeNode node) {
        wrong.add(node);
        return withDecodePort(node.port());
    }

    GatewayFixture withDecodePort(int port) {
        decodePorts.add(port);
        return this;
    }

    GatewayFixture withPrefillPort(int port) {
        prefillPorts.add(port);
        return this;
    }

    GatewayFixture refusingLocalPrefill() {
        localPrefill = LocalPrefillPolicy.REFUSE;
        return this;
    }

    GatewayFixture layerwise() {
        shape = new PdShape.DecodeFirst(Optional.empty());
        return this;
    }

    GatewayFixture trusting(PeerTrust peers) {
        trust = peers;
        return this;
    }

    GatewayFixture allowingClientKvParams() {
        clientKvParamsAllowed = true;
        return this;
    }

    GatewayFixture withLimits(GatewayLimits changed) {
        limits = changed;
        return this;
    }

    GatewayFixture withSilence(Duration longest) {
        silence = longest;
        return this;
    }

    GatewayFixture start() {
        startNow();
        try {
            await(() -> get("/healthcheck").text().contains(everybody()));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        return this;
    }

    /** Starts without waiting until every node that is to be used has been seen. */
    void startNow() {
        NodeLists lists = new NodeLists(hosts(prefillPorts), prefillPorts, hosts(decodePorts), decodePorts);
        ProbeSchedule probes = new ProbeSchedule(
                Duration.ofMillis(500), Duration.ofMillis(100), Duration.ofMillis(400), Duration.ofSeconds(5), silence);
        gateway = Gateway.start(new GatewayConfig(
                new HttpAddress("127.0.0.1", 0),
                lists,
                RetrySettings.DEFAULT,
                new GatewayPolicies(shape, localPrefill, clientKvParamsAllowed, probes, trust),
                limits));
    }

    /** How the health check looks once every fake node has been seen alive. */
    private String everybody() {
        long prefill = nodes.stream()
                .filter(node -> prefillPorts.contains(node.port()))
                .count();
        long decode =
                nodes.stream().filter(node -> decodePorts.contains(node.port())).count();
        return "\"prefill_healthy\":" + prefill + ",\"decode_healthy\":" + decode;
    }

    Gateway gateway() {
        return gateway;
    }

    HttpAddress address() {
        return new HttpAddress("127.0.0.1", gateway.port());
    }

    HttpCall completion(String body) {
        return HttpCall.postJson(address(), "/v1/completions", body.getBytes(StandardCharsets.UTF_8));
    }

    HttpReply post(String body) {
        return http.send(completion(body), DEADLINE);
    }

    HttpReply get(String path) {
        return http.send(HttpCall.get(address(), path), DEADLINE);
    }

    ClientExchange open(String body) {
        return http.start(completion(body));
    }

    /** Reads a stream up to and including this text. */
    static String readUntil(ClientExchange exchange, String end) {
        StringBuilder seen = new StringBuilder();
        while (seen.indexOf(end) < 0) {
            Optional<byte[]> chunk = exchange.next();
            if (chunk.isEmpty()) {
                throw new AssertionError("ended after: " + seen);
            }
            seen.append(new String(chunk.get(), StandardCharsets.UTF_8));
        }
        return seen.toString();
    }

    double metric(String series) {
        for (String line : get("/metrics").text().split("\n")) {
            if (line.startsWith(series + " ")) {
                return Double.parseDouble(line.substring(series.length() + 1));
            }
        }
        throw new AssertionError("no series " + series);
    }

    double counter(String name) {
        return metric("tandem_gateway_" + name + "_total");
    }

    double notDisaggregated(String reason) {
        return metric("tandem_gateway_not_disaggregated_total{reason=\"" + reason + "\"}");
    }

    /** Whether no node bears any request of the gateway. */
    boolean isIdle() {
        for (String line : get("/metrics").text().split("\n")) {
            if (line.startsWith("tandem_gateway_node_requests{") && !line.endsWith(" 0.0")) {
                return false;
            }
        }
        return true;
    }

    /** Waits for a condition that another thread brings about. */
    static void await(BooleanSupplier condition) throws InterruptedException {
        long deadlineNs = System.nanoTime() + DEADLINE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadlineNs) {
                throw new AssertionError("it did not come about");
            }
            Thread.sleep(10);
        }
    }

    /** A port that refuses connections: it is bound, so nobody else is given it, and not listened on. */
    static int closedPort() {
        try {
            var socket = new Socket();
            socket.bind(new InetSocketAddress("127.0.0.1", 0));
            CLOSED.add(socket);
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        gateway.close();
        http.close();
        nodes.forEach(FakeNode::close);
        wrong.forEach(FakeNode::close);
    }

    private static List<String> hosts(List<Integer> ports) {
        return ports.stream().map(port -> "127.0.0.1").toList();
    }
}
