package dev.tandem.gateway.protocol;

import dev.tandem.api.openai.ApiError;
import dev.tandem.api.server.LoopExchange;
import dev.tandem.counter.Counters;
import dev.tandem.trust.LogPause;
import dev.tandem.trust.PeerTrust;
import dev.tandem.trust.PostProof;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonToken;

/**
 * Where decode nodes post that they have blocks for a prompt: 404 for an id that no request in flight has, 502 when no prefill node could
 * compute the prompt, 200 when one has. Everything but the id goes on to the prefill node unread, so that versions of vllm-ascend that
 * differ in their fields are served alike. Runs on the event loop of the node's connection.
 */
final class Metaserver {
    /** A prompt of a million tokens has 65,536 blocks of 16. */
    static final int MAX_BODY_BYTES = 4 << 20;

    private static final Logger LOG = LoggerFactory.getLogger(Metaserver.class);
    private static final int SHOWN_ID_LENGTH = 80;
    /** In the posts of every version from v0.11.0rc1 on; a prefill node cannot do without any of them. */
    private static final String[] NEEDED = {"remote_engine_id", "remote_host", "remote_port", "remote_block_ids"};

    private final PendingPushes pushes;
    private final Counters<GatewayCounter> counters;
    private final PeerTrust trust;

    /** Anybody can post garbage: a counter has all of it. */
    private final LogPause refusals = new LogPause(Duration.ofSeconds(1));

    Metaserver(PendingPushes pushes, ExchangeMeters meters, PeerTrust trust) {
        this.trust = trust;
        this.pushes = pushes;
        this.counters = meters.counters();
    }

    void handle(LoopExchange node) {
        try {
            byte[] params = node.body();
            String id = sequenceId(params);
            String nonce = requireProof(node, params);
            Optional<PushAttempt> attempt = pushes.find(id);
            if (attempt.isEmpty()) {
                throw ApiError.notFound(
                        "no request in flight is known as " + shortened(id)
                                + "; it has ended, or another gateway has it",
                        "request_id");
            }
            if (!nonce.isEmpty() && !attempt.get().isFirstUse(nonce)) {
                throw unproven("the proof was used before");
            }
            counters.increment(GatewayCounter.PUSHES_ASKED);
            attempt.get().post(new MetaserverCall(node, params));
        } catch (ApiError e) {
            counters.increment(GatewayCounter.METASERVER_REFUSALS);
            refusals.due()
                    .ifPresent(more ->
                            LOG.warn("metaserver refused a post: status={} cause={}{}", e.status(), e.message(), more));
            node.fail(e);
        }
    }

    /** The nonce of a node that has proved itself, and had our proof; empty for one that need not. */
    private String requireProof(LoopExchange node, byte[] params) {
        if (!mustProve(node.peerAddress())) {
            return "";
        }
        PostProof.Verdict verdict = PostProof.verdict(trust.secret(), params, node::header, node.peerAddress());
        verdict.headers().forEach(node::responseHeader);
        verdict.objection().ifPresent(why -> {
            throw unproven(why);
        });
        return verdict.nonce();
    }

    private boolean mustProve(String peer) {
        try {
            return trust.mustProve(InetAddress.getByName(peer)); // an address: nothing is looked up
        } catch (UnknownHostException e) {
            return trust.secret().isSet();
        }
    }

    private static ApiError unproven(String why) {
        return new ApiError(401, "AuthenticationError", why, null, -1);
    }

    private static String sequenceId(byte[] params) {
        if (params.length > MAX_BODY_BYTES) {
            throw new ApiError(
                    413,
                    "RequestTooLargeError",
                    "the post has " + params.length + " bytes; at most " + MAX_BODY_BYTES + " are taken",
                    null,
                    -1);
        }
        JsonSpans post = JsonSpans.of(params);
        String id = post.field("request_id")
                .filter(field -> field.kind() == JsonToken.VALUE_STRING)
                .flatMap(field -> post.text("request_id"))
                .map(quoted -> quoted.substring(1, quoted.length() - 1))
                .orElseThrow(() -> ApiError.badRequest("request_id must be a string", "request_id"));
        for (String name : NEEDED) {
            if (!post.has(name)) {
                throw ApiError.badRequest(name + " is missing", name);
            }
        }
        return id;
    }

    private static String shortened(String id) {
        return id.length() <= SHOWN_ID_LENGTH ? id : id.substring(0, SHOWN_ID_LENGTH) + "…";
    }
}
