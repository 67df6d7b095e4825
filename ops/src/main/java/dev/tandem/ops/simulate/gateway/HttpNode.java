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
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * The HTTP side of a node: what it answers to probes, to requests of a gateway and to cancels. What it does with requests is its {@link Life}'s,
 * and a life after a crash knows nothing of the one before.
 */
final class HttpNode {
    static final int HTTP_PORT = 8100;

    private static final int LARGEST_HIGH_WATER = 1 << 20;

    /**
     * How a node behaves.
     *
     * @param isTandem whether it is one of ours
     * @param recomputes a model decode node: whether it computes a prompt whose KV it could not get
     * @param errorShare share of the requests that it refuses for no reason
     * @param brokenStreamShare a model decode node: share of its streams that end without their end
     * @param cachedShare a model decode node: share of the prompts that it has already
     * @param computeNs a model node: how long a prompt takes
     * @param tokenNs a model decode node: how long a token takes
     * @param pieceBytes longest piece that answers are cut into
     */
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
    sealed interface Life permits PrefillLife, DecodeLife, EngineLife {
        /** A request for a completion. */
        void complete(NodeRequest request);

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

    HttpNode(NodeRole role, HandoffKind kind, String address, Traits traits, NodeRuns runs, SplittableRandom random) {
        this.role = role;
        this.kind = kind;
        this.address = address;
        this.traits = traits;
        this.runs = runs;
        this.random = random;
    }

    /** @param lives begins a life */
    SimulatedHost addTo(SimulatedNetwork network, BiFunction<HttpNode, SimulatedHost, Life> lives) {
        return network.host(address, host -> {
            life = lives.apply(this, host);
            new SimulatedExchange.Server(
                            host, this::handle, new SimulatedExchange.HeldBytes(Long.MAX_VALUE / 2), LARGEST_HIGH_WATER)
                    .listen(HTTP_PORT);
        });
    }

    NodeRole role() {
        return role;
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

    /** What it is that it computes a prompt itself which it was to get. */
    NodeRuns.Origin recomputed() {
        return traits.isTandem() ? NodeRuns.Origin.RECOMPUTED : NodeRuns.Origin.RECOMPUTED_UNTOLD;
    }

    SplittableRandom random() {
        return random;
    }

    NodeRuns runs() {
        return runs;
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
                    current.complete(NodeRequest.of(exchange));
                }
            }
            default -> throw ApiError.notFound("no such path: " + exchange.path(), null);
        }
    }

    private byte[] version() {
        String text = traits.isTandem()
                ? "{\"version\":\"1\",\"node\":{\"role\":\"" + role.word() + "\",\"handoff\":\"" + kind.word()
                        + "\",\"connector\":\"" + kind.connector() + "\",\"engine_id\":\"" + address + "\"}}"
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
