package dev.tandem.gateway.protocol;

import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.fleet.LegReservation;
import dev.tandem.gateway.routing.RoutingPolicy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The wait of one decode node for its prompt: it posts to the metaserver, a prefill node is called with what it has posted, and it hears
 * the outcome. A post that comes again while P computes (D's connection broke) hears the same outcome; nothing is computed twice. Owned by
 * the event loop of the client's connection; {@link #post} may be called by any.
 */
final class PushAttempt implements PrefillCaller {
    /** Where it stands. */
    enum State {
        /** D has not posted. */
        EXPECTED,
        /** P is being called. */
        RUNNING,
        /** P has written everything. */
        PUSHED,
        /** No P could. */
        FAILED,
        /** The request has ended, or goes on without this attempt. */
        CLOSED
    }

    private static final Logger LOG = LoggerFactory.getLogger(PushAttempt.class);
    private static final int MAX_WAITING_POSTS = 4;
    private static final int MAX_ROUNDS = 3;
    private static final int MAX_PROOFS = 64;

    private final PushExchange exchange;
    private final PendingPushes pushes;
    private final String hopId;
    private final List<MetaserverCall> waiting = new ArrayList<>(1);
    /** Proofs that were given for it; added by event loops of decode nodes' connections, at most {@link #MAX_PROOFS}. */
    private final Set<String> proofs = ConcurrentHashMap.newKeySet();

    private State state = State.EXPECTED;
    private byte[] params = {};
    private int rounds;
    private @Nullable LegReservation load;
    private @Nullable Upstream call;

    PushAttempt(PushExchange exchange, PendingPushes pushes) {
        this.exchange = exchange;
        this.pushes = pushes;
        this.hopId = pushes.hopId(exchange.request.id());
        pushes.expect(this);
    }

    /** What D and P see as {@code X-Request-Id}. */
    String hopId() {
        return hopId;
    }

    /** What D calls the sequence when it posts. */
    String sequenceId() {
        return exchange.request.sequenceId(hopId);
    }

    State state() {
        return state;
    }

    /** Whether a proof is not a repeated one. Any thread. */
    boolean isFirstUse(String nonce) {
        return proofs.size() < MAX_PROOFS && proofs.add(nonce);
    }

    /** A decode node has posted. Any thread. */
    void post(MetaserverCall post) {
        exchange.answer.soon(() -> posted(post));
    }

    private void posted(MetaserverCall post) {
        boolean isSame = Arrays.equals(params, post.params());
        switch (state) {
            case EXPECTED -> begin(post);
            case RUNNING -> {
                if (!isSame) {
                    post.fail(conflict());
                } else if (waiting.size() >= MAX_WAITING_POSTS) {
                    post.fail(ApiError.tooManyRequests("this prompt is being computed already", 1));
                } else {
                    waiting.add(post);
                }
            }
            case PUSHED -> {
                if (isSame) {
                    post.pushed();
                } else {
                    post.fail(conflict());
                }
            }
            case FAILED -> {
                if (rounds < MAX_ROUNDS) {
                    begin(post);
                } else {
                    post.fail(
                            ApiError.badGateway("no prefill node could compute this prompt in " + rounds + " rounds"));
                }
            }
            case CLOSED -> post.fail(ended());
        }
    }

    private void begin(MetaserverCall post) {
        state = State.RUNNING;
        rounds++;
        params = post.params();
        waiting.add(post);
        Optional<FleetNode> node = exchange.anotherPrefill();
        if (node.isPresent()) {
            callPrefill(node.get());
        } else {
            fail("no healthy prefill node is left");
        }
    }

    private void callPrefill(FleetNode node) {
        if (state != State.RUNNING) {
            return;
        }
        long cost = RoutingPolicy.prefillCost(exchange.request.bytes());
        LegReservation bearing = node.reserve(cost, cost);
        load = bearing;
        byte[] body = LegRequests.prefillBody(exchange.request.json(), params);
        PrefillLeg leg = new PrefillLeg(this, node, exchange.answer, exchange.parts);
        call = exchange.call(bearing, hopId, body, leg);
    }

    @Override
    public void answered(FleetNode node, byte[] body, double seconds) {
        settle();
        exchange.parts.meters().prefillSeconds().record(seconds);
        state = State.PUSHED;
        waiting.forEach(MetaserverCall::pushed);
        waiting.clear();
    }

    @Override
    public void refused(ReplyHead head, byte[] body) {
        tellFailure("the prefill node refused with status " + head.status());
        exchange.prefillRefused(head, body);
    }

    @Override
    public void failed(FleetNode node, Failure failure) {
        settle();
        LOG.warn("push failed: request={} node={} cause={}", hopId, node.address(), failure.cause());
        exchange.prefillFailed(node);
        Optional<FleetNode> next = exchange.anotherPrefill();
        if (exchange.isOver() || exchange.isAnswering() || next.isEmpty() || !isStillAwaited(node, failure.kind())) {
            fail(failure.cause());
            return;
        }
        exchange.parts.meters().counters().increment(GatewayCounter.PREFILL_RETRIES);
        exchange.later(exchange.prefillFailures(), () -> callPrefill(next.get()));
    }

    /**
     * Whether D waits on, and may get the prompt from another P. A P of ours that answers with an error has told D as well. One that broke
     * off may have written, which only a D of ours can tell from the writes of the next.
     */
    private boolean isStillAwaited(FleetNode failed, Failure.Kind kind) {
        return switch (kind) {
            case UNREACHED -> true;
            case REFUSED -> !failed.isTandem();
            case ERROR -> false;
            case BROKEN -> exchange.isDecodeTandem();
        };
    }

    @Override
    public boolean canAskAnother() {
        return exchange.anotherPrefill().isPresent();
    }

    private void fail(String cause) {
        tellFailure(cause);
        exchange.pushFailed(cause);
    }

    private void tellFailure(String cause) {
        settle();
        state = State.FAILED;
        exchange.parts.meters().counters().increment(GatewayCounter.PUSHES_FAILED);
        answerAll(ApiError.badGateway("the prompt could not be computed: " + cause));
    }

    /** D's answer has begun: whoever posts from now on is late. */
    void answerBegins() {
        pushes.forget(this);
    }

    /** The request has ended or goes on without this attempt. After a success a P that has yet to answer is left alone. */
    void close(boolean succeeded) {
        pushes.forget(this);
        if (succeeded && state == State.RUNNING) {
            return;
        }
        Upstream running = call;
        if (running != null) {
            running.cancel();
        }
        settle();
        state = State.CLOSED;
        answerAll(ended());
    }

    private void answerAll(ApiError error) {
        waiting.forEach(post -> post.fail(error));
        waiting.clear();
    }

    private void settle() {
        LegReservation bearing = load;
        if (bearing != null) {
            bearing.settle();
        }
        load = null;
    }

    private static ApiError conflict() {
        return new ApiError(409, "ConflictError", "this prompt goes to other blocks already", "remote_block_ids", -1);
    }

    private static ApiError ended() {
        return ApiError.notFound("the request has ended", "request_id");
    }
}
