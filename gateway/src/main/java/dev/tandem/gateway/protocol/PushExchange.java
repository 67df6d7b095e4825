package dev.tandem.gateway.protocol;

import dev.tandem.api.client.ReplyHead;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.NodeRole;
import dev.tandem.gateway.relay.Answer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Decode, then prefill. D gets the request with the metaserver's address, posts where its blocks are ({@link PushAttempt}), P computes the
 * prompt into them, D answers. A 4xx of P is the client's answer. When P fails and D still waits for its blocks to be written, another P is
 * called at once; else D hears of the failure, and
 *
 * <ul>
 *   <li>while another P is left, D is called off and called anew, with fresh blocks;
 *   <li>else a D of ours goes on by its own policy: it computes the prompt itself, or fails;
 *   <li>any other D would wait forever: it is called off and called anew without P, where the {@link LocalPrefillPolicy} allows it.
 * </ul>
 *
 * All of that ends when D begins to answer: it has what it needs, and a P that breaks off behind its last write changes nothing.
 *
 * Each call of a D has an id of its own, so that a late post of one that was given up is refused. Owned by the event loop of the client's
 * connection.
 */
final class PushExchange extends PdExchange {
    private final PendingPushes pushes;
    private final List<FleetNode> failedPrefill = new ArrayList<>(2);
    private @Nullable PushAttempt attempt;
    private boolean isAnswering;

    PushExchange(ExchangeParts parts, PendingPushes pushes, ClientRequest request, Answer answer) {
        super(parts, request, answer);
        this.pushes = pushes;
    }

    @Override
    void start() {
        closeAttempt(false);
        attempt = new PushAttempt(this, pushes);
        callDecode();
    }

    @Override
    byte[] handoffBody() {
        return LegRequests.askingBody(request.json(), pushes.url(), pushes.seal());
    }

    @Override
    String decodeId() {
        PushAttempt current = attempt;
        return current == null || isLocal() ? request.id() : current.hopId();
    }

    @Override
    Optional<LocalReason> foundLocal() {
        PushAttempt current = attempt;
        if (current == null) {
            throw new IllegalStateException("D answers without having been called: request=" + request.id());
        }
        return switch (current.state()) {
            case PUSHED, RUNNING -> Optional.empty(); // P's own answer may come behind D's
            case FAILED -> Optional.of(LocalReason.PREFILL_FAILED);
            case EXPECTED -> Optional.of(isDecodeTandem() ? LocalReason.NOTHING_TO_HAND_OFF : LocalReason.NOT_ASKED);
            case CLOSED -> throw new IllegalStateException("D answers an attempt that is closed: " + current.hopId());
        };
    }

    @Override
    void answerBegins() {
        isAnswering = true;
        PushAttempt current = attempt;
        if (current != null) {
            current.answerBegins();
        }
    }

    @Override
    Optional<Runnable> retry(Use use, FleetNode next, String cause) {
        closeAttempt(false);
        return Optional.of(isLocal() ? this::callDecode : this::start);
    }

    @Override
    void release(boolean succeeded) {
        closeAttempt(succeeded);
    }

    /** A further P that has not failed this request. */
    Optional<FleetNode> anotherPrefill() {
        return failedPrefill.size() >= parts.settings().maxAttempts()
                ? Optional.empty()
                : choose(NodeRole.PREFILL, failedPrefill);
    }

    void prefillFailed(FleetNode node) {
        failedPrefill.add(node);
    }

    int prefillFailures() {
        return failedPrefill.size();
    }

    /** Whether the D that waits is ours: it can tell the writes of a second P from those of a first. */
    boolean isDecodeTandem() {
        return decodeNode().filter(FleetNode::isTandem).isPresent();
    }

    /** Whether D has begun to answer: it had everything that it needs, and whatever becomes of P's call is not the client's any more. */
    boolean isAnswering() {
        return isAnswering;
    }

    /** The request is at fault; D need not wait for it. */
    void prefillRefused(ReplyHead head, byte[] body) {
        if (!isOver() && !isAnswering) {
            passOn(head, body);
        }
    }

    /** D has been told that no P computes its prompt in this attempt. */
    void pushFailed(String cause) {
        if (isOver() || isAnswering) {
            return;
        }
        if (anotherPrefill().isPresent()) {
            cancelDecode();
            closeAttempt(false);
            later(failedPrefill.size(), this::start);
        } else if (!isDecodeTandem() || !mayGoLocal()) {
            cancelDecode();
            closeAttempt(false);
            goLocal(LocalReason.PREFILL_FAILED, cause);
        }
    }

    private void closeAttempt(boolean succeeded) {
        PushAttempt current = attempt;
        if (current != null) {
            current.close(succeeded);
        }
        if (!succeeded) {
            attempt = null;
        }
    }
}
