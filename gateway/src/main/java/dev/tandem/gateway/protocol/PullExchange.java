package dev.tandem.gateway.protocol;

import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.LegReservation;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.relay.Answer;
import dev.tandem.gateway.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Prefill, then decode. P computes the prompt and answers with a ticket. A 4xx of P is the client's answer; when P fails another P is
 * asked, then the {@link LocalPrefillPolicy} decides. D gets the request with the ticket; a second D gets the ticket too when the first
 * was never reached or hangs, and computes the prompt itself otherwise, since the first may have used the ticket up. A P whose blocks nobody
 * has fetched is told to free them. Owned by the event loop of the client's connection.
 */
final class PullExchange extends PdExchange implements PrefillCaller {
    private static final Logger LOG = LoggerFactory.getLogger(PullExchange.class);

    private final HandoffCancels cancels;
    private final List<FleetNode> triedPrefill = new ArrayList<>(2);
    private @Nullable LegReservation prefillLoad;
    private @Nullable Upstream prefillCall;
    private byte @Nullable [] ticket;
    /** The node that lends blocks to this request, or may be about to. */
    private @Nullable FleetNode lender;

    PullExchange(ExchangeParts parts, HandoffCancels cancels, ClientRequest request, Answer answer) {
        super(parts, request, answer);
        this.cancels = cancels;
    }

    @Override
    void start() {
        Optional<FleetNode> node = choose(NodeRole.PREFILL, List.of());
        if (node.isPresent()) {
            callPrefill(node.get());
        } else {
            goLocal(LocalReason.NO_PREFILL_NODE, "none is healthy");
        }
    }

    private void callPrefill(FleetNode node) {
        triedPrefill.add(node);
        long cost = RoutingPolicy.prefillCost(request.bytes());
        LegReservation load = node.reserve(cost, cost);
        prefillLoad = load;
        lender = node;
        PrefillLeg leg = new PrefillLeg(this, node, answer, parts);
        prefillCall = call(load, request.id(), LegRequests.prefillBody(request.json()), leg);
    }

    @Override
    public void answered(FleetNode node, byte[] body, double seconds) {
        Optional<byte[]> found;
        try {
            found = LegRequests.ticket(body);
        } catch (ApiError e) {
            failed(node, new Failure("no JSON in the answer: " + e.message(), Failure.Kind.BROKEN));
            return;
        }
        if (found.isEmpty()) {
            lender = null;
            settlePrefill();
            goLocal(LocalReason.NO_TICKET, node.address() + " answered without kv_transfer_params");
            return;
        }
        parts.meters().prefillSeconds().record(seconds);
        LegReservation load = prefillLoad;
        if (load != null) {
            load.settleTokens();
        }
        ticket = found.get();
        callDecode();
    }

    @Override
    public void refused(ReplyHead head, byte[] body) {
        lender = null;
        passOn(head, body);
    }

    @Override
    public void failed(FleetNode node, Failure failure) {
        if (failure.kind() == Failure.Kind.BROKEN) {
            cancelHandoff();
        }
        lender = null;
        settlePrefill();
        LOG.warn("prefill failed: request={} node={} cause={}", request.id(), node.address(), failure.cause());
        Optional<FleetNode> next = anotherPrefill();
        if (next.isEmpty()) {
            goLocal(LocalReason.PREFILL_FAILED, failure.cause());
            return;
        }
        parts.meters().counters().increment(GatewayCounter.PREFILL_RETRIES);
        later(triedPrefill.size(), () -> callPrefill(next.get()));
    }

    @Override
    public boolean canAskAnother() {
        return anotherPrefill().isPresent();
    }

    private Optional<FleetNode> anotherPrefill() {
        return triedPrefill.size() >= parts.settings().maxAttempts()
                ? Optional.empty()
                : choose(NodeRole.PREFILL, triedPrefill);
    }

    @Override
    byte[] handoffBody() {
        byte[] known = ticket;
        if (known == null) {
            throw new IllegalStateException("D is called without a ticket: request=" + request.id());
        }
        return LegRequests.decodeBody(request.json(), known);
    }

    @Override
    String decodeId() {
        return request.id();
    }

    @Override
    Optional<LocalReason> foundLocal() {
        return Optional.empty(); // with a ticket D reads P's blocks, or says in its usage that it could not
    }

    @Override
    void answerBegins() {
        settlePrefill();
    }

    @Override
    Optional<Runnable> retry(Use use, FleetNode next, String cause) {
        if (ticket == null || use == Use.NONE || (use == Use.UNKNOWN && isGoodFor(next))) {
            return Optional.of(this::callDecode);
        }
        if (!mayGoLocal()) {
            return Optional.empty();
        }
        ticket = null;
        cancelHandoff();
        return Optional.of(() -> goLocal(LocalReason.DECODE_RETRIED, cause));
    }

    /**
     * Whether a ticket that a hung D had is good for another. One that was used up is refused by a P of ours, and a D of ours then computes
     * the prompt; foreign nodes might read blocks that are others' by now.
     */
    private boolean isGoodFor(FleetNode next) {
        FleetNode from = lender;
        return from != null && from.isHealthy() && from.isTandem() && next.isTandem();
    }

    @Override
    void release(boolean succeeded) {
        Upstream running = prefillCall;
        if (running != null) {
            running.cancel();
        }
        settlePrefill();
        if (succeeded) {
            lender = null; // D has told P itself
        }
        cancelHandoff();
    }

    private void settlePrefill() {
        LegReservation load = prefillLoad;
        if (load != null) {
            load.settle();
        }
    }

    private void cancelHandoff() {
        FleetNode node = lender;
        lender = null;
        if (node == null) {
            return;
        }
        Executor loop = answer.loop(); // the request itself is not kept for a node that may never come back
        String id = request.id();
        Map<String, String> headers = request.headers();
        Runnable cancel = () -> cancels.send(node, id, headers, loop);
        if (!node.isHung()) {
            cancel.run();
        } else if (!node.whenBack(() -> loop.execute(cancel))) {
            parts.meters().counters().increment(GatewayCounter.HANDOFF_CANCELS_FAILED);
        }
    }
}
