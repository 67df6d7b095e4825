package dev.tandem.engine.handoff;

import dev.tandem.engine.request.HandoffTicket;
import dev.tandem.trust.ClusterSecret;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What a decode node tells a metaserver so that it has a prompt's KV pushed to it: the body of one POST, as vllm-ascend's
 * MooncakeLayerwiseConnector sends it.
 *
 * @param metaserver the URL that came with the request and was allowed
 * @param params the JSON object as plain values
 * @param timeout for the answer, which comes when the prefill node has answered
 */
public record Invitation(String metaserver, Map<String, Object> params, Duration timeout) {
    public Invitation {
        params = Collections.unmodifiableMap(new LinkedHashMap<>(params));
    }

    /** With a seal of this secret, where there is one, so that the prefill node can tell it from what a client makes up. */
    public Invitation sealedBy(ClusterSecret secret) {
        if (!secret.isSet()) {
            return this;
        }
        var sealed = new LinkedHashMap<String, Object>(params);
        HandoffTicket ticket = HandoffTicket.fromParams(params).sealedBy(secret);
        sealed.put(HandoffTicket.SEAL, String.valueOf(ticket.further().get(HandoffTicket.SEAL)));
        return new Invitation(metaserver, sealed, timeout);
    }

    /** Carries invitations to metaservers; the engine knows no HTTP. */
    @FunctionalInterface
    public interface Messenger {
        /**
         * Begins to send. Called by the engine loop; must not block.
         *
         * @param answered called once, by any thread: empty when the metaserver answered that the prompt was prefilled, else why not
         * @return calls the invitation off, at once, where its answer has not come; called by the engine loop
         */
        Runnable send(Invitation invitation, Consumer<Optional<String>> answered);
    }
}
