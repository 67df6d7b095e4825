package dev.tandem.gateway.protocol;

import dev.tandem.api.ApiException;
import dev.tandem.api.client.ReplyHead;
import dev.tandem.api.client.ReplyListener;
import dev.tandem.api.client.Upstream;
import dev.tandem.api.openai.ApiError;
import dev.tandem.gateway.fleet.FleetNode;
import dev.tandem.gateway.relay.Answer;
import dev.tandem.gateway.relay.ReplyCollector;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the calls of both kinds of nodes have in common. Owned by the event loop of the request. */
abstract sealed class Leg implements ReplyListener permits PrefillLeg, DecodeLeg {
    final FleetNode node;
    final ReplyCollector collector;
    private final Answer answer;
    private @Nullable Upstream upstream;
    private @Nullable ReplyHead head;

    Leg(FleetNode node, Answer answer, int maxReplyBytes) {
        this.node = node;
        this.answer = answer;
        this.collector = new ReplyCollector(maxReplyBytes);
    }

    final void attach(Upstream started) {
        upstream = started;
    }

    @Override
    public final void head(ReplyHead arrived) {
        head = arrived;
    }

    @Override
    public final void failed(ApiException failure) {
        if (failure.kind() == ApiException.Kind.CONNECT) {
            node.refusedConnection(String.valueOf(failure.getMessage()));
        } else {
            node.suspect();
        }
        broke(failure);
    }

    /** The node's prober has found that it answers nothing; whether this call still waited for it. */
    final boolean hung(String cause) {
        Upstream waiting = upstream;
        if (waiting == null || waiting.isOver()) {
            return false;
        }
        waiting.cancel();
        broke(new ApiException(ApiException.Kind.TIMEOUT, node + " hangs: " + cause));
        return true;
    }

    /** The node gave no complete answer. */
    abstract void broke(ApiException failure);

    final ReplyHead head() {
        ReplyHead known = head;
        if (known == null) {
            throw new IllegalStateException("bytes before the head from " + node);
        }
        return known;
    }

    final Upstream upstream() {
        Upstream known = upstream;
        if (known == null) {
            throw new IllegalStateException("an answer before the call to " + node);
        }
        return known;
    }

    /** There is no memory for the node's answer, which is nobody's fault. */
    abstract void refused(ApiError refusal);

    /** Collects; an answer above the bound is called off and counts as broken. */
    final void collect(byte[] chunk) {
        Optional<ApiError> refusal = answer.hold(chunk.length);
        if (refusal.isPresent()) {
            upstream().cancel();
            refused(refusal.get());
            return;
        }
        if (!collector.add(chunk)) {
            upstream().cancel();
            broke(new ApiException(ApiException.Kind.PROTOCOL, "the answer is larger than allowed"));
        }
    }
}
