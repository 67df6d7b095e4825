package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.HttpCall;
import dev.tandem.api.LoopExchange;
import dev.tandem.api.ReplyHead;
import dev.tandem.api.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.LegReservation;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.routing.RoutePlan;
import dev.tandem.gateway.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One client's request on its way through a prefill node and a decode node. Owned by the event loop of the client's connection.
 *
 * <ol>
 *   <li>{@link #start}: read the request, choose P and D, put its load on both;
 *   <li>{@link PrefillLeg}: P computes the prompt, answers with a ticket. A 4xx of P is the client's answer; when P fails another P is
 *       asked, then the {@link LocalPrefillPolicy} decides;
 *   <li>{@link DecodeLeg}: D gets the request with the ticket, its answer is relayed. When D fails before the client has got a byte one
 *       other D is asked: with the ticket when D1 was never reached, without it otherwise, since D1 may have used it up;
 *   <li>{@link #finish}: the load comes off both, and a P whose blocks nobody has fetched is told to free them.
 * </ol>
 *
 * A client that leaves ends whatever is under way at once.
 */
public final class PdExchange {
    private static final Logger LOG = LoggerFactory.getLogger(PdExchange.class);
    private static final int MAX_DECODE_ATTEMPTS = 2;
    private static final int RETRY_AFTER_SECONDS = 1;
    private static final List<String> FORWARDED = List.of("Authorization", "traceparent", "tracestate", "baggage");

    private final ExchangeParts parts;
    private final LoopExchange client;
    private final JsonSpans request;
    private final String requestId;
    private final Map<String, String> headers;
    private final long startNs = System.nanoTime();

    private final List<FleetNode> triedPrefill = new ArrayList<>(2);
    private final List<FleetNode> triedDecode = new ArrayList<>(2);
    private @Nullable LegReservation prefillLoad;
    private @Nullable LegReservation decodeLoad;
    private @Nullable Upstream upstream;
    private byte @Nullable [] ticket;
    private @Nullable LocalReason localReason;
    /** The node that lends blocks to this request, or may be about to. */
    private @Nullable FleetNode lender;

    private boolean over;

    private PdExchange(ExchangeParts parts, LoopExchange client, JsonSpans request) {
        this.parts = parts;
        this.client = client;
        this.request = request;
        this.requestId = parts.ids().take(client.header("X-Request-Id"));
        this.headers = new LinkedHashMap<>();
        headers.put("Content-Type", "application/json");
        headers.put("X-Request-Id", requestId);
        for (String name : FORWARDED) {
            client.header(name).ifPresent(value -> headers.put(name, value));
        }
    }

    /** Starts serving a request; an {@link ApiError} when its body is no JSON object. */
    public static void start(ExchangeParts parts, LoopExchange client) {
        JsonSpans request = JsonSpans.of(client.body());
        parts.meters().counters().add(GatewayCounter.REQUESTS);
        PdExchange exchange = new PdExchange(parts, client, request);
        client.responseHeader("X-Request-Id", exchange.requestId);
        client.onDisconnect(exchange::clientGone);
        exchange.route();
    }

    private void route() {
        Optional<LocalReason> unfit = parts.settings().clientKvParamsAllowed() && PdProtocol.hasClientParams(request)
                ? Optional.of(LocalReason.CLIENT_KV_PARAMS)
                : PdProtocol.unfit(request);
        RoutePlan plan = RoutingPolicy.plan(
                unfit.isPresent() ? List.of() : parts.fleet().candidates(NodeRole.PREFILL, List.of()),
                parts.fleet().candidates(NodeRole.DECODE, List.of()),
                ThreadLocalRandom.current().nextLong());
        if (plan.decode().isEmpty()) {
            String also = parts.fleet().healthy(NodeRole.PREFILL) == 0 ? " and no healthy prefill node" : "";
            fail(ApiError.unavailable("no healthy decode node" + also, RETRY_AFTER_SECONDS));
            return;
        }
        decodeLoad = plan.decode().get().reserve(RoutingPolicy.decodeCost(client.body().length), 0);
        if (unfit.isPresent()) {
            goLocal(unfit.get(), "the request's form");
        } else if (plan.prefill().isEmpty()) {
            goLocal(LocalReason.NO_PREFILL_NODE, "none is healthy");
        } else {
            callPrefill(plan.prefill().get());
        }
    }

    private void callPrefill(FleetNode node) {
        triedPrefill.add(node);
        long cost = RoutingPolicy.prefillCost(client.body().length);
        prefillLoad = node.reserve(cost, cost);
        lender = node;
        call(
                node,
                PdProtocol.prefillBody(request),
                new PrefillLeg(this, node, parts.settings().maxReplyBytes()));
    }

    private void call(FleetNode node, byte[] body, Leg leg) {
        Upstream started =
                parts.http().startOnLoop(new HttpCall("POST", node.address(), client.path(), headers, body), leg);
        upstream = started;
        leg.attach(started);
    }

    /** P has lent its blocks. */
    void prefilled(byte[] newTicket, double seconds) {
        parts.meters().prefillSeconds().record(seconds);
        settlePrefillTokens();
        ticket = newTicket;
        callDecode();
    }

    /** P has answered, but lends nothing. */
    void prefilledWithoutTicket(FleetNode node) {
        lender = null;
        settlePrefill();
        goLocal(LocalReason.NO_TICKET, node.address() + " answered without kv_transfer_params");
    }

    /** P has refused the request for a reason that lies in it: that is the client's answer. */
    void prefillRefused(ReplyHead head, byte[] body) {
        lender = null;
        passOn(head, body);
    }

    /** P gave no usable answer; it may have begun to lend unless it answered an error or was never reached. */
    void prefillFailed(FleetNode node, String cause, boolean mayLend) {
        if (mayLend) {
            cancelHandoff();
        }
        lender = null;
        settlePrefill();
        LOG.warn("prefill failed: request={} node={} cause={}", requestId, node.address(), cause);
        Optional<FleetNode> next = anotherPrefill();
        if (next.isEmpty()) {
            goLocal(LocalReason.PREFILL_FAILED, cause);
            return;
        }
        parts.meters().counters().add(GatewayCounter.PREFILL_RETRIES);
        later(triedPrefill.size(), () -> callPrefill(next.get()));
    }

    /** Whether a further prefill node may be asked. */
    boolean canAskAnotherPrefill() {
        return anotherPrefill().isPresent();
    }

    private Optional<FleetNode> anotherPrefill() {
        return triedPrefill.size() >= parts.settings().maxAttempts()
                ? Optional.empty()
                : another(NodeRole.PREFILL, triedPrefill);
    }

    private void goLocal(LocalReason reason, String cause) {
        if (reason.isFailure() && parts.settings().localPrefill() == LocalPrefillPolicy.REFUSE) {
            String message = "this request could not be disaggregated (" + reason.word() + "): " + reason.help();
            fail(
                    reason == LocalReason.NO_PREFILL_NODE
                            ? ApiError.unavailable(message, RETRY_AFTER_SECONDS)
                            : ApiError.badGateway(message));
            return;
        }
        localReason = reason;
        parts.meters().counters().add(reason);
        LOG.info("not disaggregated: request={} reason={} cause={}", requestId, reason.word(), cause);
        callDecode();
    }

    private void callDecode() {
        FleetNode node = decodeNode();
        if (node == null) {
            fail(ApiError.unavailable("no healthy decode node", RETRY_AFTER_SECONDS));
            return;
        }
        triedDecode.add(node);
        call(
                node,
                decodeBody(),
                new DecodeLeg(this, client, node, parts.settings().maxReplyBytes()));
    }

    /** The node that was reserved; another one when it has died since. */
    private @Nullable FleetNode decodeNode() {
        LegReservation reserved = decodeLoad;
        if (reserved != null && reserved.node().isHealthy()) {
            return reserved.node();
        }
        settleDecode();
        FleetNode other = another(NodeRole.DECODE, triedDecode).orElse(null);
        if (other != null) {
            decodeLoad = other.reserve(RoutingPolicy.decodeCost(client.body().length), 0);
        }
        return other;
    }

    private byte[] decodeBody() {
        byte[] known = ticket;
        if (known != null) {
            return PdProtocol.decodeBody(request, known);
        }
        return localReason == LocalReason.CLIENT_KV_PARAMS ? client.body() : PdProtocol.localBody(request);
    }

    /** The first bytes are about to reach the client. */
    void answering() {
        LegReservation prefill = prefillLoad;
        if (prefill != null) {
            prefill.settle();
        }
        LocalReason reason = localReason;
        client.responseHeader("x-tandem-disaggregated", reason == null ? "true" : "false; reason=" + reason.word());
        parts.meters().firstByteSeconds().record(elapsedSeconds());
    }

    /** D's stream has been relayed to its end. */
    void streamed() {
        succeeded();
        finish();
    }

    /** D's stream broke off after the client had got a part of it; the relay has told the client. */
    void streamBroke(FleetNode node, String cause) {
        parts.meters().counters().add(GatewayCounter.STREAMS_BROKEN);
        LOG.warn("stream broke off: request={} node={} cause={}", requestId, node.address(), cause);
        finish();
    }

    /** D has answered in one piece. */
    void decoded(FleetNode node, ReplyHead head, byte[] body) {
        if (head.status() >= 500 || head.status() == 429) {
            if (!retryDecode(node, "status " + head.status(), true)) {
                passOn(head, body);
            }
        } else if (head.status() >= 300) {
            passOn(head, body);
        } else {
            answering();
            succeeded();
            client.respond(head.status(), contentType(head), body);
            finish();
        }
    }

    /** D gave no usable answer and the client has got nothing yet. */
    void decodeFailed(FleetNode node, ApiException failure) {
        boolean reached = failure.kind() != ApiException.Kind.CONNECT;
        String cause = String.valueOf(failure.getMessage());
        if (retryDecode(node, cause, reached)) {
            return;
        }
        LOG.warn("decode failed: request={} node={} cause={}", requestId, node.address(), cause);
        fail(
                switch (failure.kind()) {
                    case CONNECT -> ApiError.unavailable("no decode node can be reached", RETRY_AFTER_SECONDS);
                    case TIMEOUT -> new ApiError(504, "GatewayTimeoutError", "the decode node stayed silent", null, -1);
                    default -> ApiError.badGateway("the decode node gave no usable answer");
                });
    }

    private boolean retryDecode(FleetNode node, String cause, boolean ticketMayBeUsed) {
        int attempts = Math.min(MAX_DECODE_ATTEMPTS, parts.settings().maxAttempts());
        if (triedDecode.size() >= attempts || (ticket != null && ticketMayBeUsed && !mayGoLocal())) {
            return false;
        }
        Optional<FleetNode> next = another(NodeRole.DECODE, triedDecode);
        if (next.isEmpty()) {
            return false;
        }
        parts.meters().counters().add(GatewayCounter.DECODE_RETRIES);
        LOG.warn("decode retried: request={} node={} cause={}", requestId, node.address(), cause);
        settleDecode();
        decodeLoad = next.get().reserve(RoutingPolicy.decodeCost(client.body().length), 0);
        if (ticket != null && ticketMayBeUsed) {
            ticket = null;
            cancelHandoff();
            later(triedDecode.size(), () -> goLocal(LocalReason.DECODE_RETRIED, cause));
        } else {
            later(triedDecode.size(), this::callDecode);
        }
        return true;
    }

    private boolean mayGoLocal() {
        return parts.settings().localPrefill() == LocalPrefillPolicy.ALLOW;
    }

    private void succeeded() {
        lender = null; // D has told P itself
        if (localReason == null) {
            parts.meters().counters().add(GatewayCounter.DISAGGREGATED);
        }
    }

    /** A node's error is the client's answer. */
    private void passOn(ReplyHead head, byte[] body) {
        parts.meters().counters().add(GatewayCounter.UPSTREAM_ERRORS);
        head.header("Retry-After").ifPresent(value -> client.responseHeader("Retry-After", value));
        if (body.length == 0) {
            client.fail(new ApiError(
                    head.status(), "UpstreamError", "a node answered " + head.status() + " without a body", null, -1));
        } else {
            client.respond(head.status(), contentType(head), body);
        }
        finish();
    }

    private void fail(ApiError error) {
        parts.meters().counters().add(GatewayCounter.GATEWAY_ERRORS);
        client.fail(error);
        finish();
    }

    private void clientGone() {
        if (over) {
            return;
        }
        parts.meters().counters().add(GatewayCounter.CLIENTS_GONE);
        LOG.info("client gone: request={} afterMs={}", requestId, Math.round(1_000 * elapsedSeconds()));
        Upstream running = upstream;
        if (running != null) {
            running.cancel();
        }
        finish();
    }

    private void finish() {
        if (over) {
            return;
        }
        over = true;
        settlePrefill();
        settleDecode();
        cancelHandoff();
        parts.ids().release(requestId);
        parts.meters().requestSeconds().record(elapsedSeconds());
    }

    private void cancelHandoff() {
        FleetNode node = lender;
        lender = null;
        if (node != null) {
            HandoffCancel.send(parts.http(), node, headers, parts.meters().counters());
        }
    }

    private Optional<FleetNode> another(NodeRole role, List<FleetNode> tried) {
        long seed = ThreadLocalRandom.current().nextLong();
        RoutePlan plan = role == NodeRole.PREFILL
                ? RoutingPolicy.plan(parts.fleet().candidates(role, tried), List.of(), seed)
                : RoutingPolicy.plan(List.of(), parts.fleet().candidates(role, tried), seed);
        return role == NodeRole.PREFILL ? plan.prefill() : plan.decode();
    }

    private void later(int attemptsMade, Runnable action) {
        client.later(parts.settings().firstRetryDelay().multipliedBy(1L << (attemptsMade - 1)), () -> {
            if (!over) {
                action.run();
            }
        });
    }

    private void settlePrefillTokens() {
        LegReservation load = prefillLoad;
        if (load != null) {
            load.settleTokens();
        }
    }

    private void settlePrefill() {
        LegReservation load = prefillLoad;
        if (load != null) {
            load.settle();
        }
    }

    private void settleDecode() {
        LegReservation load = decodeLoad;
        if (load != null) {
            load.settle();
        }
        decodeLoad = null;
    }

    private double elapsedSeconds() {
        return (System.nanoTime() - startNs) / 1e9;
    }

    private static String contentType(ReplyHead head) {
        return head.header("Content-Type").orElse("application/json");
    }
}
