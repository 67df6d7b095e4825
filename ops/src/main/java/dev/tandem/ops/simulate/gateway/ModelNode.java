package dev.tandem.ops.simulate.gateway;

import dev.tandem.api.HttpAddress;
import dev.tandem.api.StrictJson;
import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.gateway.fleet.HandoffKind;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.ops.simulate.SimulatedHost;
import dev.tandem.ops.simulate.SimulatedNetwork;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A node as a small model of its contract: what it answers to probes, to requests of a gateway and to cancels, and what it keeps lent. A life
 * after a crash knows nothing of the one before.
 */
final class ModelNode {
    static final int HTTP_PORT = 8100;
    static final int KV_PORT = 9100;

    private static final int LARGEST_HIGH_WATER = 1 << 20;

    /** How a node behaves. */
    record Traits(
            boolean isTandem,
            boolean recomputes,
            double errorShare,
            double brokenStreamShare,
            double cachedShare,
            long computeNs,
            long tokenNs,
            int pieceBytes) {}

    /** What one life of a node does with requests. */
    sealed interface Life permits PrefillLife, DecodeLife {
        /** A request for a completion. */
        void complete(LoopExchange exchange, ObjectNode body);

        /** A request will not be decoded: what is lent for it, or about to be, comes free. */
        void cancel(String requestId);
    }

    private final NodeRole role;
    private final HandoffKind kind;
    private final String address;
    private final Traits traits;
    private final NodeRuns runs;
    private final SplittableRandom random;
    private @Nullable Life life;
    private int incarnation;

    ModelNode(NodeRole role, HandoffKind kind, String address, Traits traits, NodeRuns runs, SplittableRandom random) {
        this.role = role;
        this.kind = kind;
        this.address = address;
        this.traits = traits;
        this.runs = runs;
        this.random = random;
    }

    SimulatedHost addTo(SimulatedNetwork network) {
        return network.host(address, this::boot);
    }

    HttpAddress http() {
        return new HttpAddress(address, HTTP_PORT);
    }

    String address() {
        return address;
    }

    Traits traits() {
        return traits;
    }

    SplittableRandom random() {
        return random;
    }

    NodeRuns runs() {
        return runs;
    }

    private void boot(SimulatedHost host) {
        incarnation = host.life();
        life = role == NodeRole.PREFILL ? new PrefillLife(this, host) : new DecodeLife(this, host);
        new SimulatedExchange.Server(
                        host, this::handle, new SimulatedExchange.HeldBytes(Long.MAX_VALUE / 2), LARGEST_HIGH_WATER)
                .listen(HTTP_PORT);
    }

    private void handle(LoopExchange exchange) {
        Life current = life;
        if (current == null) {
            throw new IllegalStateException("a request before the first life of " + address);
        }
        switch (exchange.path()) {
            case "/health" -> exchange.respond(200, "", new byte[0]);
            case "/version" -> exchange.respond(200, "application/json", version());
            case "/v1/handoff/cancel" -> {
                if (!traits.isTandem()) {
                    throw ApiError.notFound("no such path", null);
                }
                ObjectNode body = StrictJson.object(exchange.body());
                body.path("request_ids").forEach(id -> current.cancel(id.stringValue()));
                if (body.has("request_id")) {
                    current.cancel(body.get("request_id").stringValue());
                }
                exchange.respond(200, "application/json", "{}".getBytes(StandardCharsets.UTF_8));
            }
            case "/v1/completions" -> {
                if (!refused(exchange)) {
                    current.complete(exchange, StrictJson.object(exchange.body()));
                }
            }
            default -> throw ApiError.notFound("no such path: " + exchange.path(), null);
        }
    }

    private byte[] version() {
        String text = traits.isTandem()
                ? "{\"version\":\"1\",\"node\":{\"role\":\"" + role.word() + "\",\"handoff\":\"" + kind.word()
                        + "\",\"connector\":\"" + kind.connector() + "\",\"engine_id\":\"" + address + "#" + incarnation
                        + "\"}}"
                : "{\"version\":\"0.11.0\"}";
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Some requests are refused, for one reason or another, while faults are wanted. */
    private boolean refused(LoopExchange exchange) {
        if (runs.areFaultsOver() || random.nextDouble() >= traits.errorShare()) {
            return false;
        }
        int kinds = role == NodeRole.PREFILL ? 6 : 5; // what a decode node answers is not read, but passed on
        switch (random.nextInt(kinds)) {
            case 0 -> exchange.fail(ApiError.unavailable("no room", 1));
            case 1 -> exchange.fail(ApiError.tooManyRequests("too many requests wait", 2));
            case 2 -> exchange.fail(ApiError.internal("a fault of the node"));
            case 3 -> exchange.respond(500, "", new byte[0]);
            case 4 -> exchange.respond(200, "application/json", new byte[0]);
            case 5 -> exchange.respond(200, "application/json", "{\"half\":".getBytes(StandardCharsets.UTF_8));
            default -> throw new IllegalStateException("six kinds of refusals");
        }
        return true;
    }
}
