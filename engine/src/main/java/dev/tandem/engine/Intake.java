package dev.tandem.engine;

import dev.tandem.engine.Inbox.Decline;
import dev.tandem.engine.Inbox.Submission;
import dev.tandem.engine.request.EngineException;
import dev.tandem.engine.request.EngineException.Kind;
import dev.tandem.engine.request.HandoffRole;
import dev.tandem.engine.request.Request;
import dev.tandem.engine.request.TokenQueue;
import java.util.function.LongSupplier;

/** How a request comes into an engine: checked, counted and posted to the loop, or refused. Any thread. */
final class Intake {
    private final RequestChecks checks;
    private final Inbox inbox;
    private final EngineLoop loop;
    private final boolean isConnected; // peers can be told of what is refused
    private final LongSupplier nanoClock;

    Intake(RequestChecks checks, Inbox inbox, EngineLoop loop, boolean isConnected, LongSupplier nanoClock) {
        this.checks = checks;
        this.inbox = inbox;
        this.loop = loop;
        this.isConnected = isConnected;
        this.nanoClock = nanoClock;
    }

    /** @throws EngineException INVALID, TOO_LONG, OVERLOADED or UNAVAILABLE; then nothing was begun, and a peer that waits will be told */
    TokenQueue submit(Request request) {
        try {
            requireAlive();
            checks.require(request);
        } catch (EngineException refused) {
            throw reject(request, refused);
        }
        if (!inbox.claim(request.id())) {
            inbox.countRejection(); // its ticket may be the living request's: no decline
            throw EngineException.inUse(request.id(), "it is being served");
        }
        var stream = new TokenQueue(RequestChecks.outputTokens(request), inbox::abort, inbox::wake);
        var submission = new Submission(request, stream, nanoClock.getAsLong());
        if (!inbox.submit(submission)) {
            inbox.free(request.id());
            throw reject(
                    request,
                    new EngineException(Kind.OVERLOADED, "as many requests wait as may: " + inbox.maxWaiting()));
        }
        if (loop.isDead() && inbox.withdraw(submission)) {
            inbox.free(request.id());
            throw unavailable();
        }
        return stream;
    }

    private void requireAlive() {
        if (loop.isDead()) {
            throw unavailable();
        }
    }

    private EngineException unavailable() {
        return new EngineException(
                Kind.UNAVAILABLE,
                "the engine is down: " + loop.status().failure().orElse("closing"));
    }

    /** Counts a refusal and lets the peer know that nothing comes of its ticket or invitation. */
    private EngineException reject(Request request, EngineException refused) {
        inbox.countRejection();
        boolean hasPeer =
                request.handoff() instanceof HandoffRole.Fetch || request.handoff() instanceof HandoffRole.Push;
        if (isConnected && hasPeer) {
            inbox.decline(new Decline(request.id(), request.handoff(), String.valueOf(refused.getMessage())));
        }
        return refused;
    }
}
