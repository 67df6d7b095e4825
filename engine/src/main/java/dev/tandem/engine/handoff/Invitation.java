package dev.tandem.engine.handoff;

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

    /**
     * What a request brings for its invitation; the receiver adds where to write.
     *
     * @param metaserver an allowed URL: whoever is invited there learns where to write
     * @param further keys that go to the prefill node beside the known ones
     * @param deadlineNs of the request: nobody waits for an answer after it
     */
    public record Draft(String metaserver, Map<String, Object> further, long deadlineNs) {
        public Draft {
            further = Map.copyOf(further);
        }

        /** With more keys. */
        public Draft with(Map<String, Object> more) {
            var all = new LinkedHashMap<>(further);
            all.putAll(more);
            return new Draft(metaserver, all, deadlineNs);
        }
    }

    /** Carries invitations to metaservers; the engine knows no HTTP. */
    @FunctionalInterface
    public interface Messenger {
        /**
         * Begins to send. Called by the engine loop; must not block.
         *
         * @param answered called once, by any thread: empty when the metaserver answered that the prompt was prefilled, else why not
         */
        void send(Invitation invitation, Consumer<Optional<String>> answered);
    }
}
