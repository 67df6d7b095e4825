package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.HttpCall;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.LegReservation;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.relay.Answer;
import dev.tandem.gateway.routing.RoutePlan;
import dev.tandem.gateway.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One request on its way through a prefill node and a decode node: what both orders have in common, which is everything about D. Owned by
 * the event loop of the client's connection.
 *
 * <ol>
 *   <li>{@link #route}: choose D, put the request's load on it, and begin in the order of the subclass;
 *   <li>{@link DecodeLeg}: D's answer is relayed. When D fails before the client has got a byte, one other D is asked;
 *   <li>{@link #finish}: the load comes off, and {@link #release} gives back what the subclass holds on P.
 * </ol>
 *
 * A client that leaves ends whatever is under way at once. Where a request is not disaggregated, a counter, the log and a header say so.
 */
abstract sealed class PdExchange permits PullExchange, PushExchange {
    static final int RETRY_AFTER_SECONDS = 1;
    /** What a decode node of ours says in the head of a reply, or behind a stream. */
    static final String RECOMPUTED = "x-tandem-recomputed";

    private static final String DISAGGREGATED = "x-tandem-disaggregated";

    private static final Logger LOG = LoggerFactory.getLogger(PdExchange.class);
    private static final int MAX_DECODE_ATTEMPTS = 2;

    final ExchangeParts parts;
    final ClientRequest request;
    final Answer answer;
    private final List<FleetNode> triedDecode = new ArrayList<>(2);
    private @Nullable LegReservation decodeLoad;
    private @Nullable Upstream decodeCall;
    private @Nullable LocalReason localReason;
    private boolean over;

    PdExchange(ExchangeParts parts, ClientRequest request, Answer answer) {
        this.parts = parts;
        this.request = request;
        this.answer = answer;
    }

    /** Begins to call nodes; D is chosen, and there is a healthy P. */
    abstract void start();

    /** The request for D, where P takes part. */
    abstract byte[] handoffBody();

    /** What D sees as {@code X-Request-Id}. */
    abstract String decodeId();

    /** Why D, which is about to answer, has computed the prompt alone although it was not told to. */
    abstract Optional<LocalReason> foundLocal();

    /** D's answer begins: P need not hold anything for it any more. */
    abstract void answerBegins();

    /** What a D that failed has done with what P has for it. */
    enum Use {
        /** It was never reached. */
        NONE,
        /** It hangs: it has done nothing, or something before. */
        UNKNOWN,
        /** It may have used all. */
        SPENT
    }

    /**
     * Prepares to ask another D after a failure.
     *
     * @param next the other one
     * @return what to do then; none when no other D may be asked
     */
    abstract Optional<Runnable> retry(Use use, FleetNode next, String cause);

    /** Gives back everything that P holds for this request. */
    abstract void release(boolean succeeded);

    /** Chooses the nodes and begins. */
    final void route() {
        answer.onGone(this::clientGone);
        Optional<LocalReason> unfit =
                LegRequests.unfit(request.json(), parts.settings().clientKvParamsAllowed());
        Optional<FleetNode> decode = choose(NodeRole.DECODE, List.of());
        boolean hasPrefill = parts.fleet().healthy(NodeRole.PREFILL) > 0;
        if (decode.isEmpty()) {
            String also = hasPrefill ? "" : " and no healthy prefill node";
            fail(ApiError.unavailable("no healthy decode node" + also, RETRY_AFTER_SECONDS));
            return;
        }
        reserveDecode(decode.get());
        if (unfit.isPresent()) {
            goLocal(unfit.get(), "the request's form");
        } else if (!hasPrefill) {
            goLocal(LocalReason.NO_PREFILL_NODE, "none is healthy");
        } else {
            start();
        }
    }

    /** Lets D compute the prompt itself, where the policy allows it. */
    final void goLocal(LocalReason reason, String cause) {
        if (accept(reason, cause)) {
            callDecode();
        }
    }

    /** Whether the request may go on without P; says so everywhere, or fails it. */
    private boolean accept(LocalReason reason, String cause) {
        if (reason.isFailure() && !mayGoLocal()) {
            String message = "this request could not be disaggregated (" + reason.word() + "): " + reason.sentence();
            fail(
                    reason == LocalReason.NO_PREFILL_NODE
                            ? ApiError.unavailable(message, RETRY_AFTER_SECONDS)
                            : ApiError.badGateway(message));
            return false;
        }
        localReason = reason;
        parts.meters().localReasons().increment(reason);
        LOG.info("not disaggregated: request={} reason={} cause={}", request.id(), reason.word(), cause);
        return true;
    }

    /** Calls the D that was reserved; another one when it has died since. */
    final void callDecode() {
        LegReservation reserved = decodeLoad;
        if (reserved == null || !reserved.node().isHealthy()) {
            Optional<FleetNode> other = choose(NodeRole.DECODE, triedDecode);
            if (other.isEmpty()) {
                fail(ApiError.unavailable("no healthy decode node", RETRY_AFTER_SECONDS));
                return;
            }
            reserved = reserveDecode(other.get());
        }
        FleetNode node = reserved.node();
        if (!triedDecode.contains(node)) {
            triedDecode.add(node);
        }
        DecodeLeg leg = new DecodeLeg(this, answer, node, parts.settings().maxReplyBytes());
        decodeCall = call(reserved, decodeId(), decodeBody(), leg);
    }

    private byte[] decodeBody() {
        LocalReason reason = localReason;
        if (reason == null) {
            return handoffBody();
        }
        return reason == LocalReason.CLIENT_KV_PARAMS ? request.json().bytes() : LegRequests.localBody(request.json());
    }

    /** Calls the node that bears the load; a node that is found to hang before it has answered ends the call. */
    final Upstream call(LegReservation load, String hopId, byte[] body, Leg leg) {
        Map<String, String> headers = request.headers(hopId);
        Upstream started = parts.http()
                .startOnLoop(new HttpCall("POST", load.node().address(), request.path(), headers, body), leg);
        leg.attach(started);
        load.watch(cause -> answer.soon(() -> {
            if (leg.hung(cause)) {
                parts.meters().counters().increment(GatewayCounter.CALLS_HUNG);
            }
        }));
        return started;
    }

    /** D is about to answer: whether the policy lets it; the answer has failed otherwise. */
    final boolean mayAnswer() {
        if (localReason == null) {
            Optional<LocalReason> found = foundLocal();
            if (found.isPresent() && !accept(found.get(), "the decode node answers without it")) {
                return false;
            }
        }
        answerBegins();
        LocalReason reason = localReason;
        answer.header(DISAGGREGATED, reason == null ? "true" : "false; reason=" + reason.word());
        return true;
    }

    /** D's stream has been relayed to its end, which is yet to be told. */
    final void streamed(Optional<String> recomputed) {
        recomputed
                .flatMap(cause -> correct(LocalReason.RECOMPUTED, cause))
                .ifPresent(told -> answer.trailer(DISAGGREGATED, told));
        answer.endEvents();
        succeeded();
    }

    /** The same, but the connection was lost behind the last event, where a D of ours would have said that it had to compute the prompt. */
    final void streamedToTheLastEvent(FleetNode node, String cause) {
        if (node.isTandem()) {
            correct(LocalReason.UNCONFIRMED, cause).ifPresent(told -> answer.trailer(DISAGGREGATED, told));
        }
        answer.endEvents();
        succeeded();
    }

    /** D had P's ticket or push, and it was of no use all the same, or may have been: what the client is told. */
    private Optional<String> correct(LocalReason reason, String cause) {
        if (localReason != null) {
            return Optional.empty();
        }
        localReason = reason;
        parts.meters().localReasons().increment(reason);
        LOG.info("not disaggregated: request={} reason={} cause={}", request.id(), reason.word(), cause);
        return Optional.of("false; reason=" + reason.word());
    }

    /** D's stream broke off after the client had got a part of it; the relay has told the client. */
    final void streamBroke(FleetNode node, String cause) {
        parts.meters().counters().increment(GatewayCounter.STREAMS_BROKEN);
        LOG.warn("stream broke off: request={} node={} cause={}", request.id(), node.address(), cause);
        finish(false);
    }

    /** D has answered in one piece. */
    final void decoded(FleetNode node, ReplyHead head, byte[] body) {
        if (head.status() >= 500 || head.status() == 429) {
            if (!retryDecode(node, "status " + head.status(), Use.SPENT)) {
                passOn(head, body);
            }
        } else if (head.status() >= 300) {
            passOn(head, body);
        } else if (mayAnswer()) {
            head.header(RECOMPUTED)
                    .flatMap(cause -> correct(LocalReason.RECOMPUTED, cause))
                    .ifPresent(told -> answer.header(DISAGGREGATED, told));
            answer.respond(head.status(), contentType(head), body);
            succeeded();
        }
    }

    /** D gave no usable answer and the client has got nothing yet. */
    final void decodeFailed(FleetNode node, ApiException failure) {
        String cause = String.valueOf(failure.getMessage());
        Use use = switch (failure.kind()) {
            case CONNECT -> Use.NONE;
            case TIMEOUT -> Use.UNKNOWN;
            default -> Use.SPENT;
        };
        if (retryDecode(node, cause, use)) {
            return;
        }
        LOG.warn("decode failed: request={} node={} cause={}", request.id(), node.address(), cause);
        fail(
                switch (failure.kind()) {
                    case CONNECT -> ApiError.unavailable("no decode node can be reached", RETRY_AFTER_SECONDS);
                    case TIMEOUT ->
                        new ApiError(
                                504, "GatewayTimeoutError", "the decode node stayed silent", null, RETRY_AFTER_SECONDS);
                    default -> ApiError.badGateway("the decode node gave no usable answer");
                });
    }

    private boolean retryDecode(FleetNode node, String cause, Use use) {
        int attempts = Math.min(MAX_DECODE_ATTEMPTS, parts.settings().maxAttempts());
        Optional<FleetNode> next = choose(NodeRole.DECODE, triedDecode);
        if (over || triedDecode.size() >= attempts || next.isEmpty()) {
            return false;
        }
        Optional<Runnable> action = retry(use, next.get(), cause);
        if (action.isEmpty()) {
            return false;
        }
        parts.meters().counters().increment(GatewayCounter.DECODE_RETRIES);
        LOG.warn("decode retried: request={} node={} cause={}", request.id(), node.address(), cause);
        reserveDecode(next.get());
        later(triedDecode.size(), action.get());
        return true;
    }

    final boolean mayGoLocal() {
        return parts.settings().localPrefill() == LocalPrefillPolicy.ALLOW;
    }

    final boolean isLocal() {
        return localReason != null;
    }

    final boolean isOver() {
        return over;
    }

    /** The D that has been called, or is about to be. */
    final Optional<FleetNode> decodeNode() {
        return Optional.ofNullable(decodeLoad).map(LegReservation::node);
    }

    /** A node's error is the client's answer. */
    final void passOn(ReplyHead head, byte[] body) {
        parts.meters().counters().increment(GatewayCounter.UPSTREAM_ERRORS);
        head.header("Retry-After").ifPresent(value -> answer.header("Retry-After", value));
        if (body.length == 0) {
            answer.fail(new ApiError(
                    head.status(), "UpstreamError", "a node answered " + head.status() + " without a body", null, -1));
        } else {
            answer.respond(head.status(), contentType(head), body);
        }
        finish(false);
    }

    final void fail(ApiError error) {
        parts.meters().counters().increment(GatewayCounter.GATEWAY_ERRORS);
        answer.fail(error);
        finish(false);
    }

    /** Calls D off; it may be called again. */
    final void cancelDecode() {
        Upstream running = decodeCall;
        decodeCall = null;
        if (running != null) {
            running.cancel();
        }
    }

    private void clientGone() {
        finish(false);
    }

    private void succeeded() {
        if (localReason == null) {
            parts.meters().counters().increment(GatewayCounter.DISAGGREGATED);
        }
        finish(true);
    }

    private void finish(boolean succeeded) {
        if (over) {
            return;
        }
        over = true;
        cancelDecode();
        settleDecode();
        release(succeeded);
    }

    /** Chooses a healthy node by load. */
    final Optional<FleetNode> choose(NodeRole role, Collection<FleetNode> tried) {
        long seed = parts.random().nextLong();
        RoutePlan plan = role == NodeRole.PREFILL
                ? RoutingPolicy.plan(parts.fleet().candidates(role, tried), List.of(), seed)
                : RoutingPolicy.plan(List.of(), parts.fleet().candidates(role, tried), seed);
        return role == NodeRole.PREFILL ? plan.prefill() : plan.decode();
    }

    /** Goes on after the delay that so many attempts have earned, unless it is over by then. */
    final void later(int attemptsMade, Runnable action) {
        answer.later(parts.settings().firstRetryDelay().multipliedBy(1L << (attemptsMade - 1)), () -> {
            if (!over) {
                action.run();
            }
        });
    }

    private LegReservation reserveDecode(FleetNode node) {
        settleDecode();
        LegReservation load = node.reserve(RoutingPolicy.decodeCost(request.bytes()), 0);
        decodeLoad = load;
        return load;
    }

    private void settleDecode() {
        LegReservation load = decodeLoad;
        if (load != null) {
            load.settle();
        }
        decodeLoad = null;
    }

    private static String contentType(ReplyHead head) {
        return head.header("Content-Type").orElse("application/json");
    }
}
